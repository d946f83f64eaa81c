/** Whatever fleet and request: what is told of a decision is what was decided. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ejected, facts, LIMITS, MODEL, NOW, onTrial, placement } from "../testing/node_facts.ts";
import { compare, criteriaFor, type LbPolicy } from "./criteria.ts";
import { type JudgeOptions, judge, type RouteFacts, type TellableNode } from "./decision.ts";
import { newcomer } from "./ejection.ts";
import { type NodeFacts, type Placement, whyNot } from "./eligibility.ts";
import { type Explanation, explain } from "./explain.ts";
import { choose, look } from "./selection.ts";

type Node = TellableNode<RouteFacts>;

const node = (id: string, changes: Partial<NodeFacts> = {}): Node => ({ ...facts({ id, ...changes }), routes: [] });
const about = { model: "llama3", endpoint: "/jobs", at: new Date(0) };

function told(nodes: readonly Node[], request = placement(), options: JudgeOptions<Node> = {}): Explanation {
  return explain(judge(look(nodes, request, NOW, LIMITS), options), about, (routes) => routes.toReversed());
}

const sometimes = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, fc.constantFrom(...others));
const anyNode: fc.Arbitrary<Partial<NodeFacts>> = fc.record({
  lastHeardAt: sometimes(NOW, NOW - 61_000, NOW - 91_000, 0),
  trust: sometimes<NodeFacts["trust"]>(
    newcomer(0),
    { ...newcomer(0), failures: 1 },
    { ...newcomer(0), readmittedAt: NOW - 10_000 },
    onTrial,
    ejected(),
    ejected(NOW + 60_000),
  ),
  intent: sometimes<NodeFacts["intent"]>("serving", "draining", "left"),
  ollamaOk: sometimes(true, false),
  dialable: sometimes(true, false),
  models: sometimes(new Set([MODEL]), new Set<string>()),
  loaded: sometimes(new Set<string>(), new Set([MODEL])),
  knowsLoaded: fc.boolean(),
  loading: sometimes(new Set<string>(), new Set([MODEL])),
  starting: sometimes(new Map<string, number>(), new Map([[MODEL, 3]])),
  digests: sometimes(new Map<string, string>(), new Map([[MODEL, "x"]]), new Map([[MODEL, "y"]])),
  capabilities: sometimes(["execute", "ollama"], ["execute"]),
  disbelieved: sometimes(new Map<string, number>(), new Map([[MODEL, NOW + 1]])),
  unfit: sometimes(new Map<string, number>(), new Map([[MODEL, NOW + 1]])),
  restingUntil: sometimes(0, NOW + 1),
  reserved: fc.nat(4),
  slots: fc.integer({ min: 1, max: 8 }),
  cpu: fc.constantFrom(0, 0.1, 0.5, 1),
  lastPicked: fc.nat(5),
  joined: fc.nat(5),
  pace: fc.record({
    firstToken: sometimes(new Map(), new Map([[MODEL, { value: 4000, count: 1, at: NOW - 60_000 }]])),
    load: sometimes(null, { value: 200_000, count: 1 }),
    overflow: sometimes(Number.POSITIVE_INFINITY, 1),
    loadOptions: sometimes(new Map(), new Map([[MODEL, ""]])),
    usedAt: fc.constant(new Map()),
  }),
});
const anyFleet = fc.oneof(
  fc.array(anyNode, { maxLength: 8 }),
  fc.array(anyNode, { minLength: 66, maxLength: 70, size: "max" }),
);
const anyPlacement: fc.Arbitrary<Placement> = fc.record({
  model: sometimes(MODEL, ""),
  tried: fc.uniqueArray(fc.constantFrom("n0", "n1", "n2"), { maxLength: 2 }).map((ids) => new Set(ids)),
  needs: fc.record({
    capability: fc.constantFrom("execute", "ollama"),
    nodeId: sometimes<string | null>(null, "n0", "attic"),
    slot: sometimes(true, false),
  }),
  digest: sometimes<string | null>(null, "x"),
  waiting: fc.constantFrom(0, 20),
  policy: sometimes<LbPolicy>("first-token", "least-busy"),
  expected: fc.constantFrom(null, { firstTokenMs: 500, loadSpeed: 500_000, serviceMs: 2000 }),
  loadOptions: sometimes("", "num_ctx 8192"),
  lastNode: sometimes<string | null>(null, "n1"),
  waitedMs: sometimes(0, 5_000),
  patienceMs: sometimes(120_000, 10_000),
  accepted: sometimes(false, true),
});

test("whatever the fleet and the request, it tells what was chosen, in the order and for the reasons of the choice", () => {
  const outcomes = new Map<string, number>();
  fc.assert(
    fc.property(anyFleet, anyPlacement, fc.boolean(), (changes, request, whole) => {
      const nodes = changes.map((each, index) => node(`n${index}`, each));
      const choice = choose(nodes, request, NOW, LIMITS);
      const explanation = told(nodes, request, { whole });
      outcomes.set(choice.kind, (outcomes.get(choice.kind) ?? 0) + 1);
      expect(explanation.outcome).toBe(choice.kind);
      expect(explanation.node_id).toBe(choice.kind === "node" ? choice.node.id : null);

      const byId = new Map(nodes.map((each) => [each.id, each]));
      const find = (id: string) => byId.get(id) ?? expect.unreachable();
      const ranked = explanation.nodes.filter(({ rank }) => rank !== null);
      if (choice.kind === "node" && whyNot(choice.node, request, NOW, LIMITS) === null) {
        expect(ranked[0]?.node_id).toBe(choice.node.id);
      } else expect(ranked).toEqual([]);
      expect(explanation.nodes.slice(0, ranked.length)).toEqual(ranked);
      for (const [index, after] of ranked.entries()) {
        expect(after.rank).toBe(index + 1);
        const before = ranked[index - 1];
        if (!before) continue;
        const order = compare(find(before.node_id), find(after.node_id), request, NOW, LIMITS);
        expect(order).toBeLessThanOrEqual(0);
        const decided = criteriaFor(request).find(({ value }) => {
          const [one, other] = [find(before.node_id), find(after.node_id)];
          return value(one, request, NOW, LIMITS) !== value(other, request, NOW, LIMITS);
        });
        expect(after.decided_by).toBe(decided?.name ?? null);
      }

      for (const each of explanation.nodes) {
        const reason = whyNot(find(each.node_id), request, NOW, LIMITS);
        expect(each).toMatchObject({ reason, eligible: reason === null });
        expect((each.rank === null) === (each.reason !== null || each.held_back !== null)).toBe(true);
        expect(each.why === null).toBe(each.rank !== null);
      }
      const shown = !whole && nodes.length > 64 ? 16 : nodes.length;
      expect(explanation.nodes).toHaveLength(shown);
      expect(explanation.not_shown ?? 0).toBe(nodes.length - shown);
      expect(new Set(explanation.nodes.map(({ node_id }) => node_id)).size).toBe(shown);
      expect(explanation.summary).toMatch(/^\S.+\.$/);
      expect(explanation.summary).not.toMatch(/undefined|null|NaN|nobody|in doubt/);
    }),
    { numRuns: 2000 },
  );
  expect([...outcomes.keys()].sort()).toEqual(["node", "none", "wait"]);
});
