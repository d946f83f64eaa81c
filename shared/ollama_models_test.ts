import { expect, test } from "bun:test";
import fc from "fast-check";
import { MOST_MODELS, psAnswer, tagsAnswer } from "./ollama_models.ts";

const disk = { name: "llama3:latest", digest: "a".repeat(64), size: 1, modified_at: "2026-01-01T00:00:00+02:00" };
const memory = {
  name: "llama3:latest",
  digest: "a".repeat(64),
  size: 2,
  size_vram: 1,
  expires_at: "2026-01-01T00:00:00Z",
};

test("entries come out with everything in them, also what nobody here knows", () => {
  const details = { family: "llama", families: null };
  const entry = { ...disk, model: "llama3:latest", details, capabilities: ["completion"], added_later: { x: 1 } };
  expect(tagsAnswer.parse({ models: [entry] })).toEqual([entry]);
  const loaded = { ...memory, context_length: 4096, added_later: [1] };
  expect(psAnswer.parse({ models: [loaded] })).toEqual([loaded]);
});

test.each([{ models: [] }, { models: null }, {}, { models: undefined, other: 1 }])("%j is a list of none", (json) => {
  expect(tagsAnswer.parse(json)).toEqual([]);
  expect(psAnswer.parse(json)).toEqual([]);
});

test.each([[[]], ["models"], [null], [undefined], [{ models: "x" }], [{ models: { 0: disk } }]])(
  "%j is no list",
  (json) => {
    expect(tagsAnswer.safeParse(json).success).toBe(false);
    expect(psAnswer.safeParse(json).success).toBe(false);
  },
);

test("ten thousand entries are a list, one more is none", () => {
  const models = Array.from({ length: MOST_MODELS }, () => disk);
  expect(tagsAnswer.parse({ models })).toHaveLength(MOST_MODELS);
  expect(tagsAnswer.safeParse({ models: [...models, disk] }).success).toBe(false);
});

test.each<[what: string, changes: object]>([
  ["no name", { name: undefined }],
  ["an empty name", { name: "" }],
  ["a name longer than any", { name: "x".repeat(513) }],
  ["a name that is no text", { name: 7 }],
  ["no digest", { digest: undefined }],
  ["a digest longer than any", { digest: "a".repeat(129) }],
  ["no size", { size: undefined }],
  ["a size below nothing", { size: -1 }],
  ["a time longer than any", { modified_at: "x".repeat(65), expires_at: "x".repeat(65) }],
  ["no time", { modified_at: undefined, expires_at: undefined }],
])("an entry with %s is left out and costs the others nothing", (_, changes) => {
  expect(tagsAnswer.parse({ models: [{ ...disk, ...changes }, disk, null, 7, "x", []] })).toEqual([disk]);
  expect(psAnswer.parse({ models: [{ ...memory, ...changes }, memory, null, 7, "x", []] })).toEqual([memory]);
});

test("whatever JSON comes, entries or a refusal come out", () => {
  const entry = fc.oneof(fc.jsonValue(), fc.constant({ ...disk }), fc.record({ name: fc.jsonValue() }));
  const answer = fc.oneof(fc.jsonValue(), fc.record({ models: fc.array(entry) }));
  fc.assert(
    fc.property(answer, (json) => {
      for (const schema of [tagsAnswer, psAnswer]) {
        const read = schema.safeParse(json);
        if (read.success)
          for (const { name, digest } of read.data) expect([typeof name, typeof digest]).toEqual(["string", "string"]);
      }
    }),
  );
});
