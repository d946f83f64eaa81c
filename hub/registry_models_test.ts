/** The table of nodes: lists told between heartbeats, slots by model, and nodes that are watched without a slot. */
import { expect, test } from "bun:test";
import { modelKey } from "../shared/model_name.ts";
import { type HeartbeatBody, heartbeat } from "../shared/protocol.ts";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { whyNot } from "./policy/eligibility.ts";
import { createRegistry } from "./registry.ts";
import { fakeFleet, health, heartbeatBody } from "./testing/fake_fleet.ts";
import { LIMITS, MODEL, placement } from "./testing/node_facts.ts";

const disk = (name: string, digest = "x") => ({ name, digest, size: 1, modified_at: "2026-01-01T00:00:00Z" });
const memory = (name: string) => ({ ...disk(name), size_vram: 1, expires_at: "2026-01-01T00:00:00Z" });

/** A registry that counts what it tells. */
function counting() {
  const clock = fakeClock();
  const told = { models: 0, capacity: 0 };
  const registry = createRegistry({
    clock,
    liveness: LIMITS,
    ejection: { maxFailures: 3 },
    ipPreference: "ipv6",
    onCapacity: () => told.capacity++,
    onModels: () => told.models++,
  });
  const beat = (changes: Partial<HeartbeatBody> = {}) =>
    registry.heartbeat(heartbeat.parse(heartbeatBody(changes)), null);
  return { clock, registry, told, beat };
}

test("a node's lists replace what its heartbeat said, and the next heartbeat replaces them", () => {
  const { registry, beat, node } = fakeFleet();
  beat({ models: ["llama3"], loaded: ["llama3"] });
  registry.listed("a", [disk("mistral")], [memory("mistral")]);
  expect(node()).toMatchObject({ modelNames: ["mistral"], loadedNames: ["mistral"] });
  expect(node().models.has(MODEL)).toBe(false);
  beat({ models: ["llama3"], loaded: [] });
  expect(node()).toMatchObject({ modelNames: ["llama3"], loadedNames: [] });
});

test("what is in memory stays as it was when the node did not tell it", () => {
  const { registry, beat, node } = fakeFleet();
  beat({ models: ["llama3"], loaded: ["llama3"] });
  registry.listed("a", [disk("llama3")], null);
  expect(node().loadedNames).toEqual(["llama3"]);
});

test("a node whose Ollama is away keeps the models on its disk, and has none in memory", () => {
  const { beat, node } = fakeFleet();
  const tags = [disk("llama3")];
  beat({ models: ["llama3"], loaded: ["llama3"], tags, ps: [memory("llama3")] });
  beat({ models: [], loaded: [], tags: [], ps: [], ollama: { ok: false } });
  expect(node()).toMatchObject({ ollamaOk: false, modelNames: ["llama3"], loadedNames: [], ps: [] });
  expect(node().digests.get(MODEL)).toBe("x");
  beat({ models: [], loaded: [], tags: [], ps: [], ollama: { ok: true } });
  expect(node()).toMatchObject({ modelNames: [], disk: [] });
});

test("lists of a node nobody knows are ignored", () => {
  const { registry, told } = counting();
  registry.listed("z", [disk("llama3")], null);
  expect(told).toEqual({ models: 0, capacity: 0 });
});

test("lists make no sign of life: only what the node sends itself renews its lease", async () => {
  const { registry, beat, node, clock } = fakeFleet();
  beat();
  const { lastHeardAt } = node();
  await clock.advance(5_000);
  registry.listed("a", [disk("llama3")], null);
  expect(node().lastHeardAt).toBe(lastHeardAt);
});

test("other manifests are told once, whoever told them, and so is a node that is forgotten", async () => {
  const { registry, told, beat, clock } = counting();
  beat({ tags: [disk("llama3")] });
  expect(told.models).toBe(1);
  beat({ tags: [disk("llama3")] });
  registry.listed("a", [disk("llama3")], null);
  expect(told.models).toBe(1);
  registry.listed("a", [disk("llama3", "y")], null);
  expect(told.models).toBe(2);
  beat({ models: ["llama3"] });
  expect(told.models).toBe(2);
  for (let second = 0; second < 181; second++) {
    await clock.advance(1_000);
    registry.sweep();
  }
  expect(registry.get("a")).toBeUndefined();
  expect(told.models).toBe(3);
});

test("of two versions on as many nodes each the one pulled last goes for the model, also when it was pulled anew", () => {
  const { registry, beat } = counting();
  const pulled = (node_id: string, digest: string, day: string) =>
    beat({ node_id, tags: [{ ...disk("llama3", digest), modified_at: `2026-01-${day}T00:00:00Z` }] });
  pulled("a", "x", "02");
  pulled("b", "y", "01");
  expect(registry.digestsOf(MODEL).main).toBe("x");
  pulled("b", "y", "03");
  expect(registry.digestsOf(MODEL).main).toBe("y");
});

test("those who hear of other manifests find them in the table", () => {
  const seen: number[] = [];
  const clock = fakeClock();
  const registry = createRegistry({
    clock,
    liveness: LIMITS,
    ejection: { maxFailures: 3 },
    ipPreference: "ipv6",
    onModels: () => seen.push(Array.from(registry.all()).flatMap(({ disk }) => disk).length),
  });
  registry.heartbeat(heartbeat.parse(heartbeatBody({ tags: [disk("llama3")] })), null);
  expect(seen).toEqual([1]);
});

test("who waits looks again when a node has told its lists", () => {
  const { registry, told, beat } = counting();
  beat();
  const before = told.capacity;
  registry.listed("a", [disk("llama3")], null);
  expect(told.capacity).toBe(before + 1);
});

test("a slot is taken for its model, and an answer says that it is in memory", () => {
  const { registry, beat, node } = fakeFleet();
  beat({ loaded: [] });
  const reservation = registry.reserve("a", MODEL);
  expect(node()).toMatchObject({ reserved: 1, starting: new Map([[MODEL, 1]]) });
  reservation.answered();
  expect(node()).toMatchObject({ reserved: 1, starting: new Map() });
  expect(node().loaded.has(MODEL)).toBe(true);
  reservation.release();
  expect(node().reserved).toBe(0);
});

test("a question that runs no model takes no slot and starts no load, but its turn, and the node is watched", () => {
  const { registry, beat, node } = fakeFleet();
  beat({ loaded: [] });
  const { lastPicked } = node();
  const question = registry.reserve("a", MODEL, false);
  expect(node()).toMatchObject({ reserved: 0, watched: 1, starting: new Map() });
  expect(node().lastPicked).toBeGreaterThan(lastPicked);
  question.answered();
  expect(node().loaded.has(MODEL)).toBe(false);
  question.release();
  question.release();
  expect(node().watched).toBe(0);
});

test("a node is watched until everybody who wanted that has done, each once", async () => {
  const { registry, beat, node, clock } = fakeFleet();
  beat();
  await clock.advance(5_000);
  const [one, other] = [registry.watch("a"), registry.watch("a")];
  // Its silence counts from when somebody cared.
  expect(node()).toMatchObject({ watched: 2, lastContactAt: 5_000 });
  await clock.advance(5_000);
  const third = registry.watch("a");
  expect(node().lastContactAt).toBe(5_000);
  one();
  one();
  expect(node().watched).toBe(2);
  other();
  third();
  expect(node().watched).toBe(0);
});

test("a node nobody knows can be watched without harm", () => {
  expect(() => fakeFleet().registry.watch("z")()).not.toThrow();
});

test("a node that was watched and forgotten in between comes back unwatched", async () => {
  const { registry, beat, node, clock } = fakeFleet();
  beat();
  const stop = registry.watch("a");
  for (let second = 0; second < 181; second++) {
    await clock.advance(1_000);
    registry.sweep();
  }
  expect(registry.get("a")).toBeUndefined();
  beat();
  stop();
  expect(node().watched).toBe(0);
});

test("what a node said to be loading is forgotten with its next heartbeat once no request of ours waits there", () => {
  const { registry, beat, node } = fakeFleet();
  beat({ loaded: [] });
  const reservation = registry.reserve("a", MODEL);
  registry.healthy("a", health({ loading: ["llama3"] }));
  beat({ loaded: [] });
  expect([...node().loading]).toEqual([modelKey("llama3")]);
  reservation.release();
  beat({ loaded: [] });
  expect([...node().loading]).toEqual([]);
});

test("a context that was too large for a node's memory keeps no other request for the model from it", () => {
  const { registry, beat, node } = fakeFleet();
  beat();
  const request = (loadOptions: string) => ({ ...placement(), loadOptions });
  const reason = (loadOptions: string) => whyNot(node(), request(loadOptions), registry.now(), LIMITS);
  registry.unfit("a", MODEL, "num_ctx 131072");
  expect([reason(""), reason("num_ctx 8192"), reason("num_ctx 131072")]).toEqual([null, null, "model does not fit"]);
  for (let times = 0; times < 1000; times++) registry.unfit("a", MODEL, `num_ctx ${times}`);
  expect(node().unfit.size).toBe(100);
  // What does not fit as it is does not fit with any context.
  registry.unfit("a", MODEL);
  expect(reason("num_ctx 8192")).toBe("model does not fit");
  registry.arrived("a", MODEL);
  expect(node().unfit.size).toBe(0);
});

test("a model that was served by a node after it had not fitted there fits, unless that request was sent before", async () => {
  const { registry, beat, clock, node, capacityCalls } = fakeFleet();
  beat();
  const reason = () => whyNot(node(), { ...placement(), loadOptions: "num_ctx 8192" }, registry.now(), LIMITS);
  await clock.advance(2_000);
  registry.unfit("a", MODEL, "num_ctx 8192");
  await clock.advance(1_000);
  registry.succeeded("a", 1_500, MODEL, "num_ctx 8192");
  registry.succeeded("a", 500, MODEL, "num_ctx 4096");
  expect(reason()).toBe("model does not fit");
  const calls = capacityCalls();
  registry.succeeded("a", 500, MODEL, "num_ctx 8192");
  expect([reason(), capacityCalls() - calls]).toEqual([null, 1]);
});
