import { expect, test } from "bun:test";
import { modelKey } from "../../shared/model_name.ts";
import { alikeTags, isSameDisk, namesIn, tagsOf } from "./alike.ts";

const tag = (name: string, more: object = {}) => ({
  name,
  digest: "a".repeat(64),
  size: 1,
  modified_at: "2026-01-01T00:00:00Z",
  ...more,
});

test("lists that are alike are one list, others are not", () => {
  const told = namesIn(["LLaMA3", "phi3"]);
  expect(told).toEqual({ names: ["LLaMA3", "phi3"], keys: new Set([modelKey("llama3"), modelKey("phi3")]) });
  expect(namesIn(["LLaMA3", "phi3"])).toBe(told);
  expect(namesIn(["phi3", "LLaMA3"])).not.toBe(told);
  expect(namesIn(["LLaMA3,phi3"]).names).toEqual(["LLaMA3,phi3"]);
});

test("what a list of models on disk comes to is one thing, whenever they were pulled", () => {
  const known = alikeTags([tag("llama3")]);
  const later = alikeTags([tag("llama3", { modified_at: "2026-02-02T00:00:00Z" })]);
  expect(later.disk).toBe(known.disk);
  expect(later.digests).toBe(known.digests);
  expect(alikeTags([tag("llama3", { size: 2 })]).sizes).not.toBe(known.sizes);
  expect(alikeTags([tag("llama3", { remote_host: "https://ollama.com" })]).remote).toEqual(
    new Set([modelKey("llama3")]),
  );
});

test("entries stay as they were told, and are kept once but for when they were pulled", () => {
  const told = (modified_at: string) => [
    tag("llama3", { details: { family: "llama" }, more: 1, modified_at }),
    tag("phi3"),
  ];
  const [one, other] = [alikeTags(told("2026-01-01T00:00:00Z")), alikeTags(told("2026-02-02T00:00:00Z"))];
  expect(tagsOf(one)).toEqual(told("2026-01-01T00:00:00Z"));
  expect(tagsOf(other)).toEqual(told("2026-02-02T00:00:00Z"));
  expect(tagsOf(other, ({ name }) => name === "phi3")).toEqual([tag("phi3")]);
  expect(other.disk[0]).toBe(one.disk[0]);
});

test.each<[what: string, changes: object | null, isSame: boolean]>([
  ["the same", {}, true],
  ["pulled again", { modified_at: "2026-02-02T00:00:00Z" }, false],
  ["another manifest", { digest: "b" }, false],
  ["other details", { details: { family: "qwen" } }, false],
  ["something more", { more: 1 }, false],
  ["something less", { details: undefined }, false],
  ["nothing", null, false],
])("a list that tells %s is known or not", (_, changes, isSame) => {
  const entry = tag("llama3", { details: { family: "llama" } });
  const told = changes === null ? [] : [{ ...entry, ...changes }];
  expect(isSameDisk(told, alikeTags([entry]))).toBe(isSame);
});

test("lists too long, and more of them than are remembered, come out right all the same", () => {
  const long = Array.from({ length: 5_000 }, (_, index) => `model-${index}`);
  expect(namesIn(long).names).toEqual(long);
  for (let list = 0; list < 3_000; list++) {
    const names = [`m${list}`, "x".repeat(2_000)];
    expect(namesIn(names).names).toEqual(names);
  }
});
