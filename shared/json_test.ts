import { expect, test } from "bun:test";
import { parseJson } from "./json.ts";

test("what is no JSON is undefined, which no JSON is", () => {
  expect(parseJson("{")).toBeUndefined();
  expect(parseJson("null")).toBeNull();
});
