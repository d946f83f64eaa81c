import { expect, test } from "bun:test";
import fc from "fast-check";
import { modelKey } from "../../shared/model_name.ts";
import { type DiskModel, diskModel, type LoadedModel, loadedModel } from "../../shared/ollama_models.ts";
import {
  digestConflicts,
  lowestVersion,
  mainDigest,
  mergePs,
  mergeTags,
  type NodeTags,
  v1Model,
  v1Models,
} from "./merge_lists.ts";

const onDisk = (name: string, digest: string, modified_at = "2026-01-01T00:00:00Z", more = {}): DiskModel => ({
  name,
  digest,
  size: 10,
  modified_at,
  ...more,
});
const inMemory = (name: string, more: Partial<LoadedModel> = {}): LoadedModel => ({
  name,
  digest: "d",
  size: 100,
  size_vram: 40,
  expires_at: "2026-01-01T00:05:00Z",
  ...more,
});
const disks = (...lists: DiskModel[][]): NodeTags[] => lists.map((tags, index) => ({ nodeId: `n${index}`, tags }));
const memories = (...lists: LoadedModel[][]) => lists.map((ps, index) => ({ nodeId: `n${index}`, ps }));

test("every model of any node is listed once, whatever its name's case and defaults", () => {
  const lists = disks(
    [onDisk("llama3:latest", "a"), onDisk("qwen:7b", "b")],
    [onDisk("Llama3:latest", "a")],
    [onDisk("registry.ollama.ai/library/llama3", "a"), onDisk("hf.co/me/x:Q4_0", "c")],
    [],
  );
  expect(mergeTags(lists).map(({ name }) => name)).toEqual(["hf.co/me/x:Q4_0", "llama3:latest", "qwen:7b"]);
});

test("the entry is that of the version most nodes have, changed when any of them was changed last", () => {
  const newest = "2026-03-01T02:00:00.123456789+02:00";
  const lists = disks(
    [onDisk("m:1", "common", "2026-01-02T00:00:00Z", { size: 1 })],
    [onDisk("m:1", "rare", newest, { size: 2 })],
    [onDisk("m:1", "common", "2026-01-01T00:00:00Z", { size: 1 })],
  );
  expect(mergeTags(lists)).toEqual([onDisk("m:1", "common", newest, { size: 1 })]);
  expect(mainDigest(lists, modelKey("M:1"))).toBe("common");
});

test.each<[words: string, versions: DiskModel[], digest: string]>([
  ["the newest", [onDisk("m", "a"), onDisk("m", "b", "2026-01-01T01:00:00+00:30")], "b"],
  [
    "the newest by the clock and not by the text",
    [onDisk("m", "a"), onDisk("m", "b", "2026-01-01T00:30:00+01:00")],
    "a",
  ],
  ["the smallest digest of the same age", [onDisk("m", "b"), onDisk("m", "a")], "a"],
  ["one with a readable time", [onDisk("m", "a", "yesterday"), onDisk("m", "b")], "b"],
])("of versions on equally many nodes, %s counts", (_, versions, digest) => {
  for (const order of [versions, versions.toReversed()]) {
    expect(mainDigest(disks(...order.map((version) => [version])), modelKey("m"))).toBe(digest);
  }
});

test("one node with a model under two spellings counts once", () => {
  const lists = disks([onDisk("m", "a"), onDisk("M", "a")], [onDisk("m", "b", "2026-02-01T00:00:00Z")]);
  expect(mainDigest(lists, modelKey("m"))).toBe("b");
});

test("models are listed newest first, and by name where they are of the same age", () => {
  const lists = disks([
    onDisk("b:1", "1"),
    onDisk("old:1", "2", "2025-01-01T00:00:00Z"),
    onDisk("a:1", "3"),
    onDisk("new:1", "4", "2026-01-01T00:00:00.001Z"),
  ]);
  expect(mergeTags(lists).map(({ name }) => name)).toEqual(["new:1", "a:1", "b:1", "old:1"]);
});

const tagsEntry =
  '{"name":"m:1","model":"m:1","remote_model":"r","remote_host":"h","modified_at":"2026-01-01T00:00:00Z","size":1,' +
  '"digest":"d","details":{"parent_model":"","format":"gguf"},"capabilities":["completion"],"of_tomorrow":1}';
const psEntry =
  '{"name":"m:1","model":"m:1","size":1,"digest":"d","details":{"format":"gguf"},' +
  '"expires_at":"2026-01-01T00:00:00Z","size_vram":1,"context_length":4096,"of_tomorrow":1}';

test("an entry that was read by the hub's schemas is written with its keys in Ollama's order", () => {
  const tags = diskModel.parse(JSON.parse(tagsEntry));
  expect(JSON.stringify(mergeTags(disks([tags])))).toBe(`[${tagsEntry}]`);
  const ps = loadedModel.parse(JSON.parse(psEntry));
  expect(JSON.stringify(mergePs(memories([ps])))).toBe(`[${psEntry}]`);
});

test("a model in the memory of several nodes is one row: sizes summed, latest expiry, shortest context", () => {
  const lists = memories(
    [inMemory("m:1", { context_length: 8192, details: { family: "first" } })],
    [inMemory("M:1", { size_vram: 100, expires_at: "2026-01-01T01:04:00+01:00", context_length: 4096 })],
    [inMemory("m:1", { expires_at: "2026-01-01T01:10:00+01:00", details: { family: "third" } })],
  );
  expect(mergePs(lists)).toEqual([
    {
      ...inMemory("m:1", { size: 300, size_vram: 180, context_length: 4096, details: { family: "first" } }),
      expires_at: "2026-01-01T01:10:00+01:00",
    },
  ]);
});

test("different versions in memory are different rows; the one that stays longest is first", () => {
  const lists = memories(
    [inMemory("m:1", { digest: "a" }), inMemory("b:1")],
    [inMemory("m:1", { digest: "b", expires_at: "2318-01-01T00:00:00Z" }), inMemory("a:1")],
  );
  expect(mergePs(lists).map(({ name, digest, size }) => [name, digest, size])).toEqual([
    ["m:1", "b", 100],
    ["a:1", "d", 100],
    ["b:1", "d", 100],
    ["m:1", "a", 100],
  ]);
});

test("nodes that do not know the length of a context leave it out or to the others", () => {
  expect(mergePs(memories([inMemory("m")], [inMemory("m")]))[0]).not.toHaveProperty("context_length");
  expect(mergePs(memories([inMemory("m", { context_length: null })], [inMemory("m", { context_length: 9 })]))).toEqual([
    inMemory("m", { size: 200, size_vram: 80, context_length: 9 }),
  ]);
});

test.each<[name: string, owner: string]>([
  ["llama3:latest", "library"],
  ["me/x:1", "me"],
  ["hf.co/Me/x:Q4_0", "Me"],
  ["https://hf.co/Me/x", "Me"],
])("the owner of %s is %s", (name, owner) => {
  const entry = { object: "model", created: 1767225600, owned_by: owner } as const;
  const tags = [onDisk(name, "d", "2026-01-01T01:00:00.999+01:00")];
  expect(v1Models(tags)).toEqual({ object: "list", data: [{ id: name, ...entry }] });
  expect(v1Model(tags, name)).toEqual({ id: name, ...entry });
});

test("a model is found under any name for it, and shown under that", () => {
  const tags = [onDisk("llama3:latest", "d")];
  expect(v1Model(tags, "LLAMA3")).toMatchObject({ id: "LLAMA3", owned_by: "library" });
  expect(v1Model(tags, "llama3:8b")).toBeNull();
});

test("a fleet without models has an empty list, in Ollama's order of keys", () => {
  expect(JSON.stringify(v1Models(mergeTags([])))).toBe('{"object":"list","data":[]}');
  expect(JSON.stringify(v1Models([onDisk("m:1", "d", "never")]))).toBe(
    '{"object":"list","data":[{"id":"m:1","object":"model","created":0,"owned_by":"library"}]}',
  );
});

test("models of which nodes have different versions are named with who has which", () => {
  const lists = disks(
    [onDisk("same:1", "s"), onDisk("m", "rare", "2026-02-01T00:00:00Z"), onDisk("Me/B:2", "x")],
    [onDisk("same:1", "s"), onDisk("m:latest", "common"), onDisk("me/b:2", "y")],
    [onDisk("M", "common")],
  );
  expect(digestConflicts(lists.toReversed())).toEqual([
    {
      model: "m:latest",
      digests: [
        { digest: "common", nodes: ["n1", "n2"] },
        { digest: "rare", nodes: ["n0"] },
      ],
    },
    {
      model: "me/b:2",
      digests: [
        { digest: "x", nodes: ["n0"] },
        { digest: "y", nodes: ["n1"] },
      ],
    },
  ]);
  expect(mainDigest(lists, modelKey("nowhere"))).toBeNull();
});

test.each<[versions: (string | null)[], lowest: string]>([
  [[], "0.0.0"],
  [[null, null], "0.0.0"],
  [["0.33.0"], "0.33.0"],
  [["0.33.0", "0.9.6", null, "0.12.3"], "0.9.6"],
  [["0.33.0", "0.33.0-rc2"], "0.33.0-rc2"],
  [["0.33.0-rc10", "0.33.0-rc2"], "0.33.0-rc2"],
  [["0.32.15", "0.33.0-rc2"], "0.32.15"],
  [["0.33", "0.33.1"], "0.33"],
  [["v0.6.0", "0.5.13"], "0.5.13"],
  [["0.6.0+abc", "0.6.1"], "0.6.0+abc"],
  [["strange", "0.6.1", ""], "0.6.1"],
  [["0.0.0", "0.6.1"], "0.0.0"],
])("of the versions %j the lowest is %s", (versions, lowest) => {
  expect(lowestVersion(versions)).toBe(lowest);
  expect(lowestVersion(versions.toReversed())).toBe(lowest);
});

const anyModel = fc
  .tuple(
    fc.constantFrom("m", "M:latest", "n:1", "me/n:1"),
    fc.constantFrom("a", "b", "c"),
    fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-05-01T00:00:00Z", "?"),
  )
  .map(([name, digest, modified]) => onDisk(name, digest, modified));

test("what clients see does not depend on which node is heard first, and agrees with the conflicts", () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyModel, { maxLength: 4 }), { maxLength: 5 }), (models) => {
      const lists = disks(...models);
      const merged = mergeTags(lists);
      expect(mergeTags(lists.toReversed()).map(({ digest, modified_at }) => [digest, modified_at])).toEqual(
        merged.map(({ digest, modified_at }) => [digest, modified_at]),
      );
      const keys = merged.map(({ name }) => modelKey(name));
      expect(new Set(keys)).toEqual(new Set(models.flat().map(({ name }) => modelKey(name))));
      expect(keys.length).toBe(new Set(keys).size);
      for (const entry of merged) expect(mainDigest(lists, modelKey(entry.name))).toBe(entry.digest);
      for (const { model, digests } of digestConflicts(lists)) {
        expect(mainDigest(lists, modelKey(model))).toBe(digests[0]?.digest ?? null);
      }
    }),
  );
});
