import { describe, expect, test } from "bun:test";
import { AWAY, identities, isInMemory, learned } from "./ollama_state.ts";
import { inMemory, onDisk } from "./testing/models.ts";

const unknown = { ...AWAY, version: null };

describe("learned", () => {
  test("names follow from the lists, the rest stays", () => {
    const first = learned(unknown, { ok: true, version: "1", tags: [onDisk("a"), onDisk("b")] });
    expect(first).toMatchObject({ ok: true, version: "1", models: ["a", "b"], loaded: [] });
    expect(learned(first, { ps: [inMemory("b")] })).toMatchObject({ version: "1", models: ["a", "b"], loaded: ["b"] });
  });

  test("an alias of a model in memory is in memory, in whichever order the two become known", () => {
    const tags = [onDisk("a"), onDisk("alias", { digest: onDisk("a").digest }), onDisk("other")];
    const ps = [inMemory("a")];
    expect(learned(learned(unknown, { tags }), { ps }).loaded).toEqual(["a", "alias"]);
    expect(learned(learned(unknown, { ps }), { tags }).loaded).toEqual(["a", "alias"]);
  });

  test("models without a digest are no aliases of each other", () => {
    const tags = [onDisk("a", { digest: "" }), onDisk("b", { digest: "" })];
    expect(learned(unknown, { tags, ps: [inMemory("a", { digest: "" })] }).loaded).toEqual(["a"]);
  });

  test("an Ollama that went away has nothing, its version is remembered", () => {
    const known = learned(unknown, { ok: true, version: "1", tags: [onDisk("a")], ps: [inMemory("a")] });
    expect(learned(known, AWAY)).toEqual({ ...AWAY, tags: [], ps: [], models: [], loaded: [], version: "1" });
  });
});

test("a model is in memory under every way to write its name", () => {
  const state = learned(unknown, { ps: [inMemory("llama3:latest")] });
  expect(["llama3", "Llama3:latest", "library/llama3"].map((name) => isInMemory(state, name))).toEqual([
    true,
    true,
    true,
  ]);
  expect(isInMemory(state, "llama3:8b")).toBe(false);
});

test("identities are the same in any order of the list, and differ when a digest does", () => {
  const [a, b] = [onDisk("a"), onDisk("b")];
  expect(identities([a, b])).toEqual(identities([b, { ...a, size: 99 }]));
  expect(identities([a])).not.toEqual(identities([{ ...a, digest: "another" }]));
});
