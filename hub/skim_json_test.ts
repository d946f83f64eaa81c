import { expect, test } from "bun:test";
import fc from "fast-check";
import { skimJson } from "./skim_json.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const picture = "A".repeat(300_000);

test("any object, however spaced, is what JSON.parse makes of it", () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(
    fc.property(object, fc.constantFrom(undefined, 1, "\t", "\r\n "), (value, space) => {
      const text = JSON.stringify(value, null, space);
      expect(skimJson(bytes(text))).toEqual(JSON.parse(text));
    }),
  );
});

test("a small body is what JSON.parse makes of it", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(skimJson(bytes(text))).toEqual(JSON.parse(text));
    }),
  );
});

test("in a large body every text but the long ones is as it was", () => {
  const messages = [{ role: "user", content: 'say "hé" \\ \n 🙂', images: [picture, "small"] }];
  expect(skimJson(bytes(JSON.stringify({ model: "llama3", messages, stream: false })))).toEqual({
    model: "llama3",
    messages: [{ role: "user", content: 'say "hé" \\ \n 🙂', images: ["(300000 bytes)", "small"] }],
    stream: false,
  });
});

test.each<[name: string, text: string, length: number]>([
  ["a quote", '"', 2],
  ["a backslash", "\\", 2],
  ["many backslashes", "\\\\\\", 6],
])("a long text that ends in %s ends where it ends", (_, ending, written) => {
  const read = skimJson(bytes(JSON.stringify({ a: picture + ending, b: 1 })));
  expect(read).toEqual({ a: `(${picture.length + written} bytes)`, b: 1 });
});

test("a large body is read alike whatever escapes stand around its long texts", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 20 }), { maxLength: 6 }), (texts) => {
      const read = skimJson(bytes(JSON.stringify({ a: [...texts, picture, ...texts] })));
      expect(read).toEqual({ a: [...texts, "(300000 bytes)", ...texts] });
    }),
  );
});

test.each([
  ["a long text that never ends", `{"a":"${picture}`],
  ["a body cut behind its long text", `{"a":"${picture}"`],
  ["no JSON at all", picture],
])("%s is no JSON", (_, text) => {
  expect(skimJson(bytes(text))).toBeUndefined();
});

test.each<[what: string, text: string]>([
  ["another object", '{"model":"a","b":{"c":"}"}}{"model":"z"}'],
  ["anything", ' {"model":"a","b":{"c":"}"}} garbage "'],
  ["a closing brace too many", '{"model":"a","b":{"c":"}"}}}'],
])("of an object with %s behind it, the object is read", (_, text) => {
  expect(skimJson(bytes(text))).toEqual({ model: "a", b: { c: "}" } });
});

const names = { known: new Set(["model", "stream", "messages"]), texts: new Set(["model"]) };

test.each<[what: string, text: string, read: unknown]>([
  ["the last of several, in the order of the wire", '{"model":"a","MODEL":"b","model":"c"}', { model: "c" }],
  ["a name in any case", '{"MoDeL":"a","Stream":false}', { model: "a", stream: false }],
  [
    "a name with letters that only look like it",
    '{"\\u017ftream":true,"me\u017f\u017fages":[1]}',
    { stream: true, messages: [1] },
  ],
  ["an escaped name", '{"\\u006dodel":"a"}', { model: "a" }],
  ["the text before a null", '{"model":"a","Model":null}', { model: "a" }],
  ["a null after anything else", '{"stream":true,"stream":null}', { stream: null }],
  ["nothing inside of other values", '{"x":{"model":"a"},"y":["model"]}', { x: { model: "a" }, y: ["model"] }],
])("of known fields it finds %s", (_, text, read) => {
  expect(skimJson(bytes(text), names)).toEqual(read);
});

test.each<[what: string, body: string]>([
  ["five million brackets", `{"model":"a","b":${"[".repeat(5_000_000)}`],
  ["brackets deeper than Go goes", `{"model":"a","b":${"[".repeat(10_001)}${"]".repeat(10_001)}}`],
])("%s are no JSON, and cost nothing but their bytes", (_, body) => {
  expect(skimJson(bytes(body))).toBeUndefined();
});

test("of a million fields the known ones are found and a few kept", () => {
  const many = Array.from({ length: 200_000 }, (_, index) => `"k${index}":0`).join(",");
  const read = skimJson(bytes(`{${many},"model":"a"}`), names) as Record<string, unknown>;
  expect(read.model).toBe("a");
  expect(Object.keys(read).length).toBeLessThan(70);
});

test("of a long list the beginning is kept, and how much there was", () => {
  const list = Array.from({ length: 100_000 }, (_, index) => index);
  const read = skimJson(bytes(JSON.stringify({ list }))) as { list: unknown[] };
  expect(read.list.slice(0, 3)).toEqual([0, 1, 2]);
  expect(read.list.at(-1)).toBe("(99936 more)");
});

test("whatever bytes come, it says something and never throws", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (any) => void skimJson(any, names)));
  fc.assert(fc.property(fc.json(), fc.nat(), (text, cut) => void skimJson(bytes(`{"a":${text}`.slice(0, cut)), names)));
});
