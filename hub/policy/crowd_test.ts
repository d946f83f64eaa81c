/** A look at some of very many nodes serves a request wherever a look at all of them would. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ejected, facts, LIMITS, MODEL, NOW, onTrial, placement } from "../testing/node_facts.ts";
import { compare, isFresh, LB_POLICIES } from "./criteria.ts";
import { ALL_OF, type Crowd, lookAround } from "./crowd.ts";
import { type NodeFacts, type Placement, whyNot } from "./eligibility.ts";
import { UNKNOWN_PACE } from "./pace.ts";
import { hasDigest, type Look, look } from "./selection.ts";

/** What the registry knows of `nodes`, worked out at once. */
function crowdOf(nodes: readonly NodeFacts[], turn = 0): Crowd<NodeFacts> {
  const holders = nodes.filter(({ models }) => models.has(MODEL));
  return {
    holders,
    warm: holders.filter(
      ({ knowsLoaded, loaded, loadingSince }) => !knowsLoaded || loaded.has(MODEL) || loadingSince.has(MODEL),
    ),
    free: new Set(nodes.filter(({ reserved, slots }) => reserved < slots)),
    leastBusy: () =>
      nodes.toSorted((a, b) =>
        compare(a, b, { ...placement(), policy: "least-busy" }, NOW, { ...LIMITS, staleMs: Number.POSITIVE_INFINITY }),
      ),
    named: (id) => nodes.find((node) => node.id === id),
    turn,
  };
}

const around = (nodes: readonly NodeFacts[], request = placement(), turn = 0) =>
  lookAround(crowdOf(nodes, turn), request, NOW, LIMITS);
const chosenOf = ({ choice }: Look<NodeFacts>) => (choice.kind === "node" ? choice.node : null);

/** `count` nodes as `usual`, but for those of `rare` at their places. */
function fleetOf(count: number, usual: Partial<NodeFacts>, rare: Readonly<Record<number, Partial<NodeFacts>>> = {}) {
  return Array.from({ length: count }, (_, index) =>
    facts({ lastPicked: index, joined: index, ...usual, ...rare[index], id: `n${index}` }),
  );
}

const full = { reserved: 4 };
const cold = { knowsLoaded: true };
const warm = { knowsLoaded: true, loaded: new Set([MODEL]) };

test("up to 512 nodes all are looked at, of more some", () => {
  expect(around(fleetOf(ALL_OF, {}))).toMatchObject({ sampleOf: null, nodes: { length: ALL_OF } });
  const { sampleOf, nodes } = around(fleetOf(10_000, {}));
  expect(sampleOf).toBe(10_000);
  expect(nodes.length).toBeLessThanOrEqual(ALL_OF);
});

test.each<[who: string, usual: Partial<NodeFacts>, rare: Partial<NodeFacts>, changes: Partial<Placement>]>([
  ["only one with a free slot", full, { reserved: 3 }, {}],
  ["only one that is not ejected", { trust: ejected() }, { trust: facts().trust }, {}],
  ["only one that was heard from lately", { lastHeardAt: NOW - 61_000 }, { lastHeardAt: NOW }, {}],
  ["only one that is not offline", { lastHeardAt: 0 }, { lastHeardAt: NOW }, {}],
  ["only one that has the model in memory", cold, warm, {}],
  [
    "only one that is loading it already",
    cold,
    { ...cold, starting: new Map([[MODEL, 1]]), loadingSince: new Map([[MODEL, NOW]]) },
    {},
  ],
  ["only one that can be dialled", { dialable: false }, { dialable: true }, {}],
  [
    "only one with the manifest of the conversation",
    { digests: new Map([[MODEL, "new"]]) },
    { digests: new Map([[MODEL, "old"]]) },
    { digest: "old" },
  ],
  ["one that is asked for by name", {}, {}, { needs: { ...placement().needs, nodeId: "n700" } }],
  [
    "one that the conversation was at",
    warm,
    warm,
    { lastNode: "n700", expected: { firstTokenMs: 1000, loadSpeed: 1e6, serviceMs: 8000 } },
  ],
  ["least busy of the user's order", { cpu: 0.2 }, { cpu: 0.1 }, { policy: "least-busy" }],
])("of a thousand nodes the %s is found, wherever it stands", (_, usual, rare, changes) => {
  for (let turn = 0; turn < 20; turn++) {
    expect(chosenOf(around(fleetOf(1000, usual, { 700: rare }), { ...placement(), ...changes }, turn))?.id).toBe(
      "n700",
    );
  }
});

test.each<[what: string, kind: "wait" | "none", usual: Partial<NodeFacts>]>([
  ["all are full", "wait", full],
  ["all rest", "wait", { restingUntil: NOW + 1 }],
  ["all are offline", "none", { lastHeardAt: 0 }],
])("when of ten thousand nodes %s a request is told: %s", (_, kind, usual) => {
  expect(around(fleetOf(10_000, usual)).choice.kind).toBe(kind);
});

test("where all are full no more than some are looked at", () => {
  expect(around(fleetOf(10_000, full)).nodes.length).toBeLessThanOrEqual(ALL_OF);
});

test.each([1, 2, 3, 7])("of equal nodes each has its turn, when every %p. request is for their model", (every) => {
  const nodes = fleetOf(3000, {});
  const seen = new Set<string>();
  for (let turn = 0; turn < 60; turn++)
    for (const { id } of around(nodes, placement(), turn * every).nodes) seen.add(id);
  expect(seen.size).toBe(3000);
});

const sometimes = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, fc.constantFrom(...others));
const anyNode: fc.Arbitrary<Partial<NodeFacts>> = fc.record({
  lastHeardAt: sometimes(NOW, NOW - 61_000, NOW - 90_000),
  trust: sometimes(facts().trust, onTrial, ejected(), ejected(NOW + 10_000)),
  intent: sometimes<NodeFacts["intent"]>("serving", "draining"),
  conditionSince: sometimes(0, NOW),
  ollamaOk: sometimes(true, false),
  models: sometimes(new Set([MODEL]), new Set<string>()),
  knowsLoaded: sometimes(true, false),
  loaded: sometimes(new Set<string>(), new Set([MODEL])),
  digests: sometimes(new Map([[MODEL, "x"]]), new Map([[MODEL, "y"]]), new Map()),
  unfit: sometimes(new Map<string, number>(), new Map([[MODEL, NOW + 1]])),
  restingUntil: sometimes(0, NOW + 1),
  reserved: sometimes(0, 1, 4, 4, 4),
  cpu: fc.constantFrom(0, 0.5),
  capabilities: sometimes(["execute", "ollama"], ["execute"]),
  pace: fc.constantFrom(UNKNOWN_PACE, {
    ...UNKNOWN_PACE,
    firstToken: new Map([[MODEL, { value: 900, count: 1, at: NOW }]]),
  }),
});
const loading = {
  knowsLoaded: true,
  loaded: new Set<string>(),
  starting: new Map([[MODEL, 2]]),
  loadingSince: new Map([[MODEL, NOW]]),
};
/** Mostly one kind, and anywhere among them a few others: what a look at some may miss. */
const anyFleet = fc.record({
  count: fc.integer({ min: ALL_OF + 1, max: 1500 }),
  kinds: fc.array(anyNode, { minLength: 1, maxLength: 3 }),
  rare: fc.array(fc.tuple(fc.nat(1499), anyNode), { maxLength: 4 }),
  loads: fc.array(fc.nat(1499), { maxLength: 2 }),
});
function built({ count, kinds, rare, loads }: typeof anyFleet extends fc.Arbitrary<infer Kind> ? Kind : never) {
  const others = Object.fromEntries([...rare, ...loads.map((at) => [at, loading] as const)]);
  return fleetOf(count, {}).map((node, index) => ({ ...node, ...(others[index] ?? kinds[index % kinds.length]) }));
}
const anyRequest: fc.Arbitrary<Placement> = fc.record({
  model: fc.constant(MODEL),
  tried: fc.uniqueArray(fc.constantFrom("n0", "n7"), { maxLength: 2 }).map((ids) => new Set(ids)),
  needs: fc.record({
    capability: fc.constantFrom("execute", "ollama"),
    nodeId: sometimes<string | null>(null, "n9", "attic"),
    slot: sometimes(true, false),
  }),
  digest: sometimes<string | null>(null, "x"),
  mayChangeDigest: fc.boolean(),
  waiting: fc.constantFrom(0, 20),
  policy: fc.constantFrom(...LB_POLICIES),
  expected: sometimes(null, { firstTokenMs: 500, loadSpeed: 500_000, serviceMs: 2000 }),
  lastNode: sometimes<string | null>(null, "n1"),
  waitedMs: sometimes(0, 40_000),
  patienceMs: fc.constant(120_000),
  accepted: fc.boolean(),
  takesLastResort: sometimes(false, true),
});

test("whatever a large fleet is like, none is refused or has to wait whom a look at all nodes would serve", () => {
  const kinds = new Map<string, number>();
  fc.assert(
    fc.property(anyFleet, anyRequest, fc.nat(1000), (fleet, asked, turn) => {
      const nodes = built(fleet);
      const request = asked.policy === "least-busy" ? { ...asked, expected: null } : asked;
      const { holders } = crowdOf(nodes);
      const all = look(holders, request, NOW, LIMITS);
      const some = around(nodes, request, turn);
      kinds.set(some.choice.kind, (kinds.get(some.choice.kind) ?? 0) + 1);
      const [best, chosen] = [chosenOf(all), chosenOf(some)];
      const mayServe = (node: NodeFacts | null) => node !== null && whyNot(node, request, NOW, LIMITS) === null;
      // Only what is left free for a full node may be taken all the same: not all of those were seen.
      const leftFree = all.choice.kind === "wait" && all.choice.leavesFree && mayServe(chosen);
      if (!leftFree) expect(some.choice.kind).toBe(all.choice.kind);
      if (some.choice.kind === "wait") expect<unknown>(some.choice).toEqual(all.choice);
      // One in doubt is used where no other is.
      if (chosen !== null && !mayServe(chosen)) expect(chosen.id).toBe(best?.id ?? "");
      if (best === null || chosen === null) return;
      if (request.digest !== null) expect(hasDigest(chosen, request)).toBe(hasDigest(best, request));
      if (isFresh(best, NOW, LIMITS)) expect(isFresh(chosen, NOW, LIMITS)).toBe(true);
      if (request.policy === "least-busy" || request.needs.nodeId !== null) expect(chosen.id).toBe(best.id);
    }),
    { numRuns: 500 },
  );
  expect([...kinds.keys()].sort()).toEqual(["node", "none", "wait"]);
});
