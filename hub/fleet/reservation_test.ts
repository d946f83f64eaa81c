import { expect, test } from "bun:test";
import fc from "fast-check";
import { ANY_MODEL, type ModelKey, modelKey } from "../../shared/model_name.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { fakeFleet } from "../testing/fake_fleet.ts";
import { MODEL } from "../testing/node_facts.ts";
import { newEntry } from "./node_record.ts";
import { takeSlot } from "./reservation.ts";

function open({ knowsLoaded = true, loaded = [] as ModelKey[] } = {}) {
  const node = newEntry("a", 0, new Date(0), 1);
  node.knowsLoaded = knowsLoaded;
  node.loaded = new Set(loaded);
  const clock = fakeClock();
  let changes = 0;
  return {
    node,
    take: (model: ModelKey = MODEL, id = "one") =>
      takeSlot(node, { model, id }, { clock, usualMs: () => null, onChange: () => changes++ }),
    changes: () => changes,
  };
}

test("a request for a model that is not in memory counts as starting it, until its first byte", () => {
  const { node, take, changes } = open();
  const [one, other] = [take(), take()];
  expect(node.starting.get(MODEL)).toBe(2);
  one.answered();
  expect(node.starting.get(MODEL)).toBe(1);
  expect(node.loaded.has(MODEL)).toBe(true);
  expect(changes()).toBe(1);
  other.release();
  expect(node.starting.has(MODEL)).toBe(false);
  expect(node.reserved).toBe(1);
});

test.each<[what: string, state: Parameters<typeof open>[0], model: ModelKey]>([
  ["the model is in memory", { loaded: [MODEL] }, MODEL],
  ["the agent does not say what is in memory", { knowsLoaded: false }, MODEL],
  ["the request names no model", {}, ANY_MODEL],
  ["the model is a cloud service's", {}, "cloud"],
])("nothing is started when %s", (_, state, model) => {
  const { node, take, changes } = open(state);
  node.remote = new Set(["cloud"]);
  const before = new Set(node.loaded);
  const reservation = take(model);
  expect(node.starting.size).toBe(0);
  reservation.answered();
  expect(node.loaded).toEqual(before);
  expect(changes()).toBe(0);
});

test("a start that brought no answer leaves the model out of memory, and wakes who waits", () => {
  const { node, take, changes } = open();
  take().release();
  expect(node.loaded.has(MODEL)).toBe(false);
  expect(node.starting.size).toBe(0);
  expect(changes()).toBe(1);
});

test("an answer after the slot was given back says nothing", () => {
  const { node, take, changes } = open();
  const reservation = take();
  reservation.release();
  reservation.answered();
  expect(node.loaded.has(MODEL)).toBe(false);
  expect(changes()).toBe(1);
});

test("a list of models in memory that is read elsewhere does not change under the reader", () => {
  const { node, take } = open();
  const { loaded } = node;
  take().answered();
  expect(loaded.has(MODEL)).toBe(false);
});

test("a heartbeat in between that lacks the model does not unbalance the counts", () => {
  const { node, take } = open({ loaded: [MODEL] });
  const warm = take();
  node.loaded = new Set();
  const cold = take();
  expect(node.starting.get(MODEL)).toBe(1);
  warm.answered();
  warm.release();
  expect(node.starting.get(MODEL)).toBe(1);
  cold.answered();
  cold.release();
  expect(node).toMatchObject({ reserved: 0, starting: new Map() });
});

test("whatever is called in whatever order and however often, every slot and start is given back once", () => {
  const step = fc.tuple(fc.nat(5), fc.constantFrom("answered" as const, "release" as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { node, take } = open();
      const slots = Array.from({ length: 6 }, () => take());
      const released = new Set<number>();
      for (const [index, call] of steps) {
        slots[index]?.[call]();
        if (call === "release") released.add(index);
        expect(node.reserved).toBe(6 - released.size);
        expect(node.starting.get(MODEL) ?? 0).toBeGreaterThanOrEqual(0);
      }
      for (const slot of slots) slot.release();
      expect(node).toMatchObject({ reserved: 0, starting: new Map() });
    }),
  );
});

test("the first to find a model not in memory brings its load about, until it is answered or ends", () => {
  const { node, take } = open();
  const first = take(MODEL, "first");
  take(MODEL, "second");
  expect(node.loaders.get(MODEL)).toBe("first");
  first.release();
  expect(node.loaders.has(MODEL)).toBe(false);
  take(MODEL, "third").answered();
  expect(node.loaders.has(MODEL)).toBe(false);
});

test("a first token tells how fast the node is, and one after a load how fast its disk is", () => {
  const { registry, beat, node } = fakeFleet();
  const tags = [{ name: "llama3:latest", digest: "x", size: 4e9, modified_at: "2026-01-01T00:00:00Z" }];
  beat({ loaded: [], tags });
  const cold = registry.reserve("a", MODEL);
  cold.answered(8_000);
  cold.release();
  expect(node().pace).toMatchObject({ load: { value: 500_000, count: 1 } });
  expect(node().pace.firstToken.size).toBe(0);
  const [one, two] = [registry.reserve("a", MODEL), registry.reserve("a", MODEL)];
  one.answered(600);
  // A whole answer's first byte is no first token, nor is that of one that has none.
  two.answered(null);
  registry.reserve("a", MODEL).answered(2, false);
  expect(node().pace.firstToken.get(MODEL)).toMatchObject({ value: 600, count: 1 });
});

test("a first token that waited for its model to be loaded anew tells nothing of the node's pace", () => {
  const { registry, beat, node } = fakeFleet();
  beat({ loaded: ["llama3:latest"] });
  const ask = (id: string, loadOptions: string) => registry.reserve("a", MODEL, true, id, loadOptions);
  ask("default", "").answered(300);
  const reload = ask("long context", "num_ctx 8192");
  const behind = ask("long context as well", "num_ctx 8192");
  reload.answered(10_000);
  behind.answered(11_000);
  const back = ask("default again", "");
  back.release();
  expect(node().pace.firstToken.get(MODEL)).toMatchObject({ value: 300, count: 1 });
  ask("default once more", "").answered(600);
  expect(node().pace.firstToken.get(MODEL)?.count).toBe(2);
});

test("a request that was given up before its first token tells that one takes longer, where less was believed", async () => {
  const { registry, beat, node, clock } = fakeFleet();
  for (const id of ["a", "fast"]) beat({ node_id: id, loaded: ["llama3:latest"] });
  const leave = (ms: number, loadOptions = "") => {
    const reservation = registry.reserve("a", MODEL, true, "id", loadOptions);
    reservation.unanswered(ms);
    reservation.release();
  };
  // Slow beside what?
  leave(5_000);
  expect(node().pace.firstToken.size).toBe(0);
  registry.reserve("fast", MODEL).answered(300);
  registry.succeeded("fast", 1_000, MODEL);
  leave(200);
  expect(node().pace.firstToken.size).toBe(0);
  leave(5_000, "num_ctx 8192");
  leave(5_000);
  expect(node().pace.firstToken.size).toBe(0);
  leave(5_000);
  leave(1_000);
  expect(node().pace.firstToken.get(MODEL)).toMatchObject({ value: 2_400, count: 1 });
  // Somebody had one while it waited.
  await clock.advance(7_000);
  leave(7_001);
  expect(node().pace.firstToken.get(MODEL)?.count).toBe(1);
  leave(6_999);
  expect(node().pace.firstToken.get(MODEL)?.at).toBe(7_000);
});

test("the few bytes of a cloud service's model teach nothing about the node's disk", () => {
  const { registry, beat, node } = fakeFleet();
  const tag = { name: "llama3:latest", digest: "x", size: 384, modified_at: "2026-01-01T00:00:00Z" };
  beat({ loaded: [], tags: [{ ...tag, remote_host: "https://ollama.com", remote_model: "llama3" }] });
  registry.reserve("a", MODEL).answered(1_500);
  expect(node().pace.load).toBeNull();
  expect(node().pace.firstToken.get(MODEL)).toMatchObject({ value: 1_500 });
});

test("a model that had to leave for another tells what is too much for the node's memory", () => {
  const { registry, beat, node } = fakeFleet();
  const tag = (name: string, size: number) => ({ name, digest: name, size, modified_at: "2026-01-01T00:00:00Z" });
  const models = { models: ["llama3", "mistral"], tags: [tag("llama3:latest", 4e9), tag("mistral:latest", 5e9)] };
  beat({ ...models, loaded: ["llama3:latest"] });
  registry.reserve("a", MODEL).release();
  beat({ ...models, loaded: ["mistral:latest"] });
  expect(node().pace.overflow).toBe(9e9);
  beat({ ...models, loaded: ["llama3:latest", "mistral:latest"] });
  expect(node().pace.overflow).toBe(Number.POSITIVE_INFINITY);
});

test("the same where the other's answer begins before the node reports what it has in memory", () => {
  const { registry, beat, node } = fakeFleet();
  const tag = (name: string, size: number) => ({ name, digest: name, size, modified_at: "2026-01-01T00:00:00Z" });
  const models = { models: ["llama3", "mistral"], tags: [tag("llama3:latest", 4e9), tag("mistral:latest", 5e9)] };
  beat({ ...models, loaded: ["llama3:latest"] });
  registry.reserve("a", MODEL).release();
  const other = registry.reserve("a", modelKey("mistral"));
  other.answered(4_000);
  other.release();
  beat({ ...models, loaded: ["mistral:latest"] });
  expect(node().pace.overflow).toBe(9e9);
});
