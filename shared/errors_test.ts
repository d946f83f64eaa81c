import { expect, test } from "bun:test";
import { z } from "zod";
import { describeIssues } from "./errors.ts";

const schema = z.object({
  node_id: z.string().regex(/^[a-z]+$/, "expected letters"),
  port: z.number().int().max(65535),
  models: z.array(z.string()),
  load: z.object({ cpu: z.number() }).optional(),
  intent: z.enum(["serving", "left"]).optional(),
});
const well = { node_id: "a", port: 1, models: [] };

test.each<[input: unknown, sentence: string]>([
  [{ ...well, node_id: undefined }, "node_id: is required (string)"],
  [{ ...well, node_id: "A" }, "node_id: expected letters"],
  [{ ...well, port: "8001" }, "port: expected number, received string"],
  [{ ...well, port: 1.5 }, "port: expected int, received number"],
  [{ ...well, models: ["x", 7] }, "models[1]: expected string, received number"],
  [{ ...well, load: {} }, "load.cpu: is required (number)"],
  [{ ...well, load: null }, "load: expected object, received null"],
  ["text", "expected object, received string"],
  [undefined, "is required (object)"],
  [{}, "node_id: is required (string); port: is required (number); models: is required (array)"],
])("%j is described field by field", (input, sentence) => {
  const { error } = schema.safeParse(input);
  expect(error && describeIssues(error)).toBe(sentence);
});

test("a value that is none of a few names them", () => {
  const { error } = schema.safeParse({ ...well, intent: "lazy" });
  const sentence = error && describeIssues(error);
  expect(sentence).toStartWith("intent: ");
  expect(sentence).toContain('"serving"');
  expect(sentence).toContain('"left"');
});

test("a field in a list of lists is named by its indices", () => {
  const { error } = z.array(z.array(z.number())).safeParse([[1], [2, "x"]]);
  expect(error && describeIssues(error)).toBe("1[1]: expected number, received string");
});
