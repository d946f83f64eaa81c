import { expect, test } from "bun:test";
import { modelKey } from "../../shared/model_name.ts";
import { alikeTags, namesIn, onDiskOf } from "./alike.ts";

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
  const [one, other] = [[tag("llama3")], [tag("llama3", { modified_at: "2026-02-02T00:00:00Z" })]];
  expect(onDiskOf(other)).toBe(onDiskOf(one));
  expect(onDiskOf([tag("llama3", { size: 2 })])).not.toBe(onDiskOf(one));
  expect(onDiskOf([tag("llama3", { remote_host: "https://ollama.com" })]).remote).toEqual(
    new Set([modelKey("llama3")]),
  );
});

test("entries stay as they were told, with their details once", () => {
  const told = () => [tag("llama3", { details: { family: "llama" }, more: 1 }), tag("phi3")];
  const [one, other] = [alikeTags(told()), alikeTags(told())];
  expect(one).toEqual(told());
  expect(other[0]?.details).toBe(one[0]?.details);
});

test("lists too long, and more of them than are remembered, come out right all the same", () => {
  const long = Array.from({ length: 5_000 }, (_, index) => `model-${index}`);
  expect(namesIn(long).names).toEqual(long);
  for (let list = 0; list < 3_000; list++) expect(namesIn([`m${list}`]).names).toEqual([`m${list}`]);
});
