/** The quick way to the best node of a fleet, and to the best few, brings what comparing all of them brings. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { facts, LIMITS, MODEL, NOW, placement } from "../testing/node_facts.ts";
import { bestOf, compare, LB_POLICIES } from "./criteria.ts";
import { judge, type RouteFacts, type TellableNode } from "./decision.ts";
import { newcomer } from "./ejection.ts";
import type { Placement } from "./eligibility.ts";
import { isInTime } from "./first_token.ts";
import { choose, look } from "./selection.ts";

const anyNode = fc.record({
  lastHeardAt: fc.constantFrom(NOW, NOW, NOW, NOW - 61_000),
  trust: fc.constantFrom(
    newcomer(0),
    newcomer(0),
    { ...newcomer(0), failures: 1 },
    { ...newcomer(0), readmittedAt: NOW - 10_000 },
  ),
  knowsLoaded: fc.constantFrom(true, true, false),
  loaded: fc.constantFrom(new Set([MODEL]), new Set(["other"]), new Set<string>()),
  sizes: fc.constantFrom(new Map(), new Map([[MODEL, 2e9]])),
  reserved: fc.nat(9),
  slots: fc.integer({ min: 1, max: 8 }),
  cpu: fc.constantFrom(0, 0.1, 0.11, 0.5),
  pace: fc.record({
    firstToken: fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: null }).map((value) => {
      return new Map(value === null ? [] : [[MODEL, { value, count: 1, at: NOW - 60_000 }]]);
    }),
    load: fc.constantFrom(null, { value: 200_000, count: 1 }),
    overflow: fc.constantFrom(Number.POSITIVE_INFINITY, 1),
    loadOptions: fc.constantFrom(new Map(), new Map([[MODEL, "num_ctx 8192"]])),
    usedAt: fc.constant(new Map()),
  }),
});

const anyFleet = fc
  .oneof(fc.array(anyNode, { maxLength: 12 }), fc.array(anyNode, { minLength: 65, maxLength: 150, size: "max" }))
  .chain((nodes) =>
    fc
      .shuffledSubarray(
        nodes.map((_, index) => index),
        { minLength: nodes.length },
      )
      .map((turns) =>
        nodes.map((changes, index): TellableNode<RouteFacts> => {
          const turn = turns[index] ?? 0;
          return { ...facts({ ...changes, id: `n${index}`, lastPicked: turn, joined: index }), routes: [] };
        }),
      ),
  );

const anyRequest: fc.Arbitrary<Placement> = fc.record({
  model: fc.constant(MODEL),
  tried: fc.constant(new Set<string>()),
  needs: fc.constantFrom(placement().needs, placement().needs, { ...placement().needs, slot: false }),
  digest: fc.constant(null),
  waiting: fc.constantFrom(0, 1, 20),
  policy: fc.constantFrom("first-token", ...LB_POLICIES),
  expected: fc.option(
    fc.record({
      firstTokenMs: fc.integer({ min: 1, max: 2_000 }),
      loadSpeed: fc.constantFrom(100_000, 2_000_000),
      serviceMs: fc.constantFrom(500, 8_000),
    }),
    { nil: null },
  ),
  loadOptions: fc.constantFrom("", "num_ctx 8192"),
  lastNode: fc.constantFrom(null, "n0", "n1", "n70"),
  accepted: fc.boolean(),
  waitedMs: fc.constantFrom(0, 3_000, 100_000),
});

test("the best of any fleet is the one that goes before all others", () => {
  fc.assert(
    fc.property(anyFleet, anyRequest, (nodes, request) => {
      const [first] = nodes.toSorted((a, b) => compare(a, b, request, NOW, LIMITS));
      expect(bestOf(nodes, request, NOW, LIMITS)?.id).toBe(first?.id);
    }),
    { numRuns: 2_000 },
  );
});

test("the one that is chosen, and the best that are told of, are the first of all that compete, in their order", () => {
  fc.assert(
    fc.property(anyFleet, anyRequest, (nodes, request) => {
      const seen = look(nodes, request, NOW, LIMITS);
      const compete = seen.competing.filter((node) => isInTime(node, request, NOW, seen.latestMs));
      const ranked = compete.toSorted((a, b) => compare(a, b, request, NOW, LIMITS)).map(({ id }) => id);
      const choice = choose(nodes, request, NOW, LIMITS);
      if (choice.kind === "node") expect(choice.node.id).toBe(ranked[0] ?? "");
      else expect(ranked).toEqual([]);
      const told = judge(seen);
      expect(told.ranked.map(({ id }) => id)).toEqual(nodes.length > 64 ? ranked.slice(0, 16) : ranked);
    }),
    { numRuns: 2_000 },
  );
});

test("of a fleet of which only those with the model are looked at the same is told as of the whole", () => {
  fc.assert(
    fc.property(anyFleet, anyRequest, fc.nat(200), (nodes, request, without) => {
      const lacking = Array.from({ length: without }, (_, index): TellableNode<RouteFacts> => {
        return { ...facts({ id: `without-${index}`, models: new Set(), joined: 1_000 + index }), routes: [] };
      });
      const all = [...nodes, ...lacking];
      const whole = judge(look(all, request, NOW, LIMITS));
      const fleet = { size: all.length, all: () => all, get: (id: string) => all.find((node) => node.id === id) };
      expect(judge(look(nodes, request, NOW, LIMITS), { fleet })).toEqual(whole);
    }),
    { numRuns: 500 },
  );
});
