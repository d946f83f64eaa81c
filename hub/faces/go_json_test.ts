import { expect, test } from "bun:test";
import fc from "fast-check";
import { goJson } from "./go_json.ts";

test.each<[what: string, text: string, json: string]>([
  ["plain text", "model 'nope' not found", "model 'nope' not found"],
  ["quotes and backslashes", 'a "b" \\c', 'a \\"b\\" \\\\c'],
  ["what HTML would read as markup", "<a> & <b>", "\\u003ca\\u003e \\u0026 \\u003cb\\u003e"],
  ["Unicode's line ends", "a\u2028b\u2029c", "a\\u2028b\\u2029c"],
  ["control characters", "a\n\t\u0001", "a\\n\\t\\u0001"],
  ["other languages", "é 日本 😀", "é 日本 😀"],
  ["half a surrogate pair", "a\ud83d", "a\ufffd"],
])("%s is escaped as Go does it", (_, text, json) => {
  expect(goJson({ error: text })).toBe(`{"error":"${json}"}`);
});

test("whatever the text, it reads back as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(JSON.parse(goJson({ text }))).toEqual({ text: text.toWellFormed() });
    }),
  );
});
