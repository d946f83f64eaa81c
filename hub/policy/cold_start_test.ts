import { expect, test } from "bun:test";
import fc from "fast-check";
import { facts, LIMITS, MODEL, NOW, placement } from "../testing/node_facts.ts";
import { LONG_LOAD_MS, type Load, WAITERS_PER_LOAD, withoutNeedlessLoads } from "./cold_start.ts";
import { isLoading, type NodeFacts } from "./eligibility.ts";
import { choose } from "./selection.ts";

const warm = (id: string, changes: Partial<NodeFacts> = {}) =>
  facts({ id, knowsLoaded: true, loaded: new Set([MODEL]), ...changes });
const cold = (id: string, changes: Partial<NodeFacts> = {}) => facts({ id, knowsLoaded: true, ...changes });
const loading = (id: string, changes: Partial<NodeFacts> = {}) =>
  cold(id, { starting: new Map([[MODEL, 1]]), reserved: 1, ...changes });
const saidLoading = (id: string) => cold(id, { loading: new Set([MODEL]) });

const load = (waiting = 1, ms = 1_000): Load => ({ waiting, ms });
const left = (nodes: readonly NodeFacts[], loads: readonly Load[], waiting = 0) =>
  withoutNeedlessLoads(nodes, loads, { ...placement(), waiting }).map(({ id }) => id);

test.each<[what: string, nodes: NodeFacts[], loads: Load[], left: string[]]>([
  ["nobody loads it: any may begin", [cold("a"), cold("b"), warm("c")], [], ["a", "b", "c"]],
  ["one loads it: only that one", [cold("a"), loading("b")], [load()], ["b"]],
  ["one that says so itself counts the same", [cold("a"), saidLoading("b")], [load(0)], ["b"]],
  ["one loads it and is full: nobody yet", [cold("a"), cold("b")], [load(4)], []],
  ["one has it in memory: that one before those that load it", [cold("a"), loading("b"), warm("c")], [load()], ["c"]],
  ["an agent that does not say what is in memory may have it", [cold("a"), facts({ id: "b" })], [load()], ["b"]],
  ["two load it: either", [loading("a"), cold("b"), loading("c")], [load(), load()], ["a", "c"]],
  ["nobody may serve it", [], [load()], []],
  ["one has loaded it for long: any other may begin", [cold("a"), loading("b")], [load(4, LONG_LOAD_MS)], ["a"]],
  [
    "one has loaded it for long and another just began",
    [loading("a"), cold("b"), loading("c")],
    [load(4, LONG_LOAD_MS), load()],
    ["a", "c"],
  ],
  ["one has loaded it for long and nobody else could", [loading("b")], [load(4, LONG_LOAD_MS)], ["b"]],
])("while %s", (_, nodes, loads, ids) => {
  expect(left(nodes, loads)).toEqual(ids);
});

test.each<[waiting: number, loads: Load[], another: boolean]>([
  [0, [load(WAITERS_PER_LOAD - 1)], false],
  [0, [load(WAITERS_PER_LOAD)], true],
  [WAITERS_PER_LOAD - 4, [load(4)], true],
  [WAITERS_PER_LOAD - 5, [load(4)], false],
  [WAITERS_PER_LOAD, [load(), load()], false],
  [2 * WAITERS_PER_LOAD - 2, [load(), load()], true],
  [1_000, [load(), load(), load()], true],
])("with %p waiting for a place and loads %j another may begin: %p", (waiting, loads, another) => {
  expect(left([cold("idle"), loading("busy")], loads, waiting)).toEqual([another ? "idle" : "busy"]);
});

test("with many waiting and no node left that does not load it, those that do get more", () => {
  expect(left([loading("a"), loading("b")], [load(), load()], 1_000)).toEqual(["a", "b"]);
});

test("a question that runs no model goes anywhere", () => {
  const request = { ...placement(), needs: { ...placement().needs, slot: false } };
  expect(withoutNeedlessLoads([cold("a"), loading("b")], [load()], request)).toHaveLength(2);
});

const picked = (nodes: readonly NodeFacts[], waiting = 0, ...tried: string[]) => {
  const choice = choose(nodes, { ...placement(...tried), waiting }, NOW, LIMITS);
  return choice.kind === "node" ? choice.node.id : choice.kind;
};

test.each<[what: string, nodes: NodeFacts[], picked: string, tried: string[]]>([
  ["the node that loads is full and another idle", [cold("a"), loading("b", { reserved: 4 })], "wait", []],
  ["the node that loads rests and another is idle", [cold("a"), loading("b", { restingUntil: NOW + 1 })], "wait", []],
  ["the node that loads has room", [cold("a"), loading("b", { reserved: 3 })], "b", []],
  ["the node that has it is full and one loads it", [warm("a", { reserved: 4 }), cold("b"), loading("c")], "c", []],
  ["the node that has it is full and nobody loads it", [warm("a", { reserved: 4 }), cold("b")], "b", []],
  ["the node that loads is offline", [cold("a"), loading("b", { lastHeardAt: 0 })], "a", []],
  ["the node that loads is draining", [cold("a"), loading("b", { intent: "draining" })], "a", []],
  ["the node that loads has no Ollama any more", [cold("a"), loading("b", { ollamaOk: false })], "a", []],
  ["the node that loads failed this request", [cold("a"), loading("b")], "a", ["b"]],
  ["the load did not fit before", [cold("a"), loading("b", { unfit: new Map([[MODEL, NOW + 1]]) })], "a", []],
])("when %s the choice is as it should be", (_, nodes, expected, tried) => {
  expect(picked(nodes, 0, ...tried)).toBe(expected);
});

test("a pinned request is not kept from its node by a load elsewhere", () => {
  const needs = { ...placement().needs, nodeId: "a" };
  const choice = choose([cold("a"), loading("b")], { ...placement(), needs }, NOW, LIMITS);
  expect(choice).toMatchObject({ kind: "node", node: { id: "a" } });
});

const anyNode = fc
  .record({
    id: fc.uuid(),
    knowsLoaded: fc.boolean(),
    inMemory: fc.boolean(),
    requests: fc.nat(4),
    says: fc.boolean(),
  })
  .map(({ id, knowsLoaded, inMemory, requests, says }) =>
    facts({
      id,
      knowsLoaded,
      loaded: new Set(inMemory && knowsLoaded ? [MODEL] : []),
      starting: new Map(requests > 0 ? [[MODEL, requests]] : []),
      loading: new Set(says ? [MODEL] : []),
    }),
  );

test("whatever the fleet, no load begins needlessly, and nobody is kept from a node that has the model", () => {
  fc.assert(
    fc.property(fc.array(anyNode, { maxLength: 8 }), fc.nat(100), (nodes, waiting) => {
      const loads = nodes.filter((node) => isLoading(node, MODEL)).map((node) => load(node.starting.get(MODEL) ?? 0));
      const candidates = withoutNeedlessLoads(nodes, loads, { ...placement(), waiting });
      for (const node of candidates) expect(nodes).toContain(node);
      if (loads.length === 0) return expect(candidates).toEqual(nodes);
      const has = (node: NodeFacts) => node.loaded.has(MODEL) || !node.knowsLoaded;
      if (nodes.some(has)) return expect(candidates).toEqual(nodes.filter(has));
      const begins = candidates.filter((node) => !isLoading(node, MODEL));
      const waiters = waiting + loads.reduce((sum, each) => sum + each.waiting, 0);
      if (begins.length > 0) expect(waiters).toBeGreaterThanOrEqual(loads.length * WAITERS_PER_LOAD);
      expect(candidates.length).toBeGreaterThan(0);
    }),
    { numRuns: 1000 },
  );
});
