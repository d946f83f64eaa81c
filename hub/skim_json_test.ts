import { expect, test } from "bun:test";
import fc from "fast-check";
import { skimJson } from "./skim.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const picture = "A".repeat(300_000);

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
      const read = skimJson(bytes(JSON.stringify([...texts, picture, ...texts])));
      expect(read).toEqual([...texts, "(300000 bytes)", ...texts]);
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
