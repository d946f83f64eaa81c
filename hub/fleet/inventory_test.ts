import { expect, test } from "bun:test";
import { modelKey } from "../../shared/model_name.ts";
import { tagsOf } from "./alike.ts";
import { takeInventory } from "./inventory.ts";
import { newEntry } from "./node_record.ts";

const LLAMA = modelKey("llama3");
const MISTRAL = modelKey("mistral");

const fresh = () => newEntry("a", 0, new Date(0), 1);
const disk = (name: string, digest = "x", more: object = {}) => ({
  name,
  digest,
  size: 1,
  modified_at: "2026-01-01T00:00:00Z",
  ...more,
});
const memory = (name: string) => ({ name, digest: "x", size: 1, size_vram: 1, expires_at: "2026-01-01T00:00:00Z" });

test("names are compared as Ollama does and kept as they were told", () => {
  const node = fresh();
  takeInventory(node, { names: ["LLaMA3"], loaded: ["llama3:latest"], tags: [disk("LLaMA3")], ps: [memory("llama3")] });
  expect(node.modelNames).toEqual(["LLaMA3"]);
  expect([...node.models]).toEqual([LLAMA]);
  expect([...node.loaded]).toEqual([LLAMA]);
  expect(node.digests).toEqual(new Map([[LLAMA, "x"]]));
  expect(node.ps).toHaveLength(1);
  expect(node.knowsLoaded).toBe(true);
});

test("what is not told stays as it was told last", () => {
  const node = fresh();
  takeInventory(node, { names: ["llama3"], loaded: ["llama3"], tags: [disk("llama3")], ps: [memory("llama3")] });
  for (const absent of [undefined, null]) {
    takeInventory(node, { names: ["mistral"], loaded: absent, tags: absent, ps: absent });
    expect([...node.models]).toEqual([MISTRAL]);
    expect([...node.loaded]).toEqual([LLAMA]);
    expect(tagsOf(node)).toEqual([disk("llama3")]);
    expect(node.ps).toHaveLength(1);
  }
});

test("an agent that never says what is in memory is known not to", () => {
  const node = fresh();
  takeInventory(node, { names: ["llama3"] });
  expect(node.knowsLoaded).toBe(false);
  takeInventory(node, { names: ["llama3"], loaded: [] });
  expect(node.knowsLoaded).toBe(true);
});

test("models at a cloud service are told by their entries, whatever they are called", () => {
  const node = fresh();
  const tags = [disk("mine", "x", { remote_host: "https://ollama.com" }), disk("llama3", "x", { remote_host: "" })];
  takeInventory(node, { names: ["mine", "llama3"], tags });
  expect([...node.remote]).toEqual([modelKey("mine")]);
  takeInventory(node, { names: ["mine"], tags: [disk("mine", "x", { remote_host: null })] });
  expect([...node.remote]).toEqual([]);
});

test.each<[what: string, digests: [name: string, digest: string][], news: boolean]>([
  ["the same", [["llama3", "x"]], false],
  ["another manifest", [["llama3", "y"]], true],
  [
    "one more model",
    [
      ["llama3", "x"],
      ["mistral", "x"],
    ],
    true,
  ],
  ["one less", [], true],
  ["another model instead", [["mistral", "x"]], true],
])("when a node then has %s, what is news is said to be", (_, digests, news) => {
  const node = fresh();
  const take = (pairs: [string, string][]) =>
    takeInventory(node, {
      names: pairs.map(([name]) => name),
      tags: pairs.map(([name, digest]) => disk(name, digest)),
    });
  expect(take([["llama3", "x"]])).toBe(true);
  expect(take(digests)).toBe(news);
});

test("the same manifest pulled anew is news: the newest decides which one goes for the model where as many nodes have each", () => {
  const node = fresh();
  takeInventory(node, { names: ["llama3"], tags: [disk("llama3")] });
  const again = [disk("llama3", undefined, { modified_at: "2026-11-23T00:00:00Z" })];
  expect(takeInventory(node, { names: ["llama3"], tags: again })).toBe(true);
  expect(takeInventory(node, { names: ["llama3"], tags: again })).toBe(false);
});

test("what is in memory, or not told, is no news", () => {
  const node = fresh();
  takeInventory(node, { names: ["llama3"], tags: [disk("llama3")] });
  expect(takeInventory(node, { names: ["llama3"], loaded: ["llama3"], ps: [memory("llama3")] })).toBe(false);
  expect(takeInventory(node, { names: ["mistral"] })).toBe(false);
});

test("a claim that was not believed is believed again once it was dropped and comes anew", () => {
  const node = fresh();
  takeInventory(node, { names: ["llama3"] });
  node.disbelieved.set(LLAMA, 60_000);
  takeInventory(node, { names: ["llama3"] });
  expect(node.disbelieved.has(LLAMA)).toBe(true);
  takeInventory(node, { names: [] });
  takeInventory(node, { names: ["llama3"] });
  expect(node.disbelieved.has(LLAMA)).toBe(false);
});
