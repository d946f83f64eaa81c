import { expect, test } from "bun:test";
import fc from "fast-check";
import { goField } from "./go_fields.ts";

test.each<[json: unknown, value: unknown]>([
  [{ model: "a" }, "a"],
  [{ MODEL: "a" }, "a"],
  [{ mOdEl: "a", other: 1 }, "a"],
  [{ model: "a", Model: "b" }, "b"],
  [{ Model: "b", model: "a" }, "a"],
  [{ model: null }, null],
  [{ models: "a", xmodel: "b" }, undefined],
  [{}, undefined],
  [["model"], undefined],
  ["model", undefined],
  [7, undefined],
  [null, undefined],
  [undefined, undefined],
])("of %j the field model is %j", (json, value) => {
  expect(goField(json, "model")).toEqual(value);
});

test("letters that only look like others are those, as in Go", () => {
  expect(goField({ "\u212aeep_alive": 0 }, "keep_alive")).toBe(0);
  expect(goField({ "\u017ftream": true }, "stream")).toBe(true);
});

test("what JavaScript gives every object is no field of it", () => {
  for (const name of ["constructor", "tostring", "__proto__", "hasownproperty"]) {
    expect(goField(JSON.parse("{}"), name)).toBeUndefined();
  }
  expect(goField(JSON.parse('{"__proto__":{"model":"a"}}'), "model")).toBeUndefined();
});

test("whatever the case of its letters, the last field of a name is found", () => {
  const spelling = fc.constantFrom("stream", "Stream", "STREAM", "sTrEaM");
  const entries = fc.uniqueArray(fc.tuple(spelling, fc.integer()), { minLength: 1, selector: ([name]) => name });
  fc.assert(
    fc.property(entries, (fields) => {
      expect(goField(Object.fromEntries(fields), "stream")).toBe(fields.at(-1)?.[1]);
    }),
  );
});
