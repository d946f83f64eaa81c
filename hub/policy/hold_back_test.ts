/** Whatever was measured, a request that a node may serve is not left to wait for nothing. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { facts, LIMITS, MODEL, NOW, placement } from "../testing/node_facts.ts";
import { newcomer } from "./ejection.ts";
import type { NodeFacts, Placement } from "./eligibility.ts";
import { afterLoad, sizeOf, UNKNOWN_PACE } from "./pace.ts";
import { choose } from "./selection.ts";

const OTHER = "other";
const anyNumber = fc.oneof(
  fc.constantFrom(0, 1, Number.NaN, Number.POSITIVE_INFINITY, Number.MIN_VALUE, Number.MAX_VALUE),
  fc.double({ min: 0, max: 1e12 }),
);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const mapOf = <T>(model: string, value: T | null) => new Map(value === null ? [] : [[model, value]]);

const anyFree: fc.Arbitrary<NodeFacts> = fc
  .record({
    size: maybe(anyNumber),
    token: maybe(anyNumber),
    load: maybe(anyNumber),
    overflow: anyNumber,
    reserved: fc.nat(3),
    loaded: fc.subarray([MODEL, OTHER]),
    starts: fc.boolean(),
    knowsLoaded: fc.boolean(),
  })
  .map(({ size, token, load, overflow, reserved, loaded, starts, knowsLoaded }) =>
    facts({
      reserved,
      knowsLoaded,
      loaded: new Set(loaded),
      starting: mapOf(MODEL, starts ? 1 : null),
      loadingSince: mapOf(MODEL, starts ? NOW - 1000 : null),
      sizes: mapOf(MODEL, size),
      pace: {
        ...UNKNOWN_PACE,
        firstToken: mapOf(MODEL, token === null ? null : { value: token, count: 1, at: NOW }),
        load: load === null ? null : { value: load, count: 1 },
        overflow,
      },
    }),
  );
const frees = fc
  .array(anyFree, { minLength: 1, maxLength: 4 })
  .map((nodes) => nodes.map((node, index) => ({ ...node, id: `n${index}` })));
const anyRequest: fc.Arbitrary<Placement> = fc
  .record({
    expected: maybe(fc.record({ firstTokenMs: anyNumber, loadSpeed: anyNumber, serviceMs: anyNumber })),
    waiting: fc.nat(20),
    waitedMs: fc.nat(29_999),
    accepted: fc.boolean(),
  })
  .map((changes) => ({ ...placement(), ...changes }));

test("where no node is full or about to be free, one that may serve is taken, whatever was measured", () => {
  fc.assert(
    fc.property(frees, anyRequest, (nodes, request) => {
      expect(choose(nodes, request, NOW, LIMITS).kind).toBe("node");
    }),
    { numRuns: 1000 },
  );
});

test("a request that has waited for a quarter of its time takes what may serve it, whatever is expected of the rest", () => {
  const full = anyFree.map((node) => ({ ...node, reserved: node.slots, id: "full" }));
  const impatient = fc.constantFrom(30_000, 60_000, 120_000).map((waitedMs) => ({ waitedMs, patienceMs: 120_000 }));
  fc.assert(
    fc.property(frees, fc.array(full, { maxLength: 2 }), anyRequest, impatient, (nodes, others, request, waited) => {
      expect(choose([...nodes, ...others], { ...request, ...waited }, NOW, LIMITS).kind).toBe("node");
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ["just now", 0, "wait"],
  ["an hour ago", 3_600_000, "slow once"],
])("a node whose first token took long %s, beside a full one", (_, agoMs, picked) => {
  const measured = (id: string, value: number, reserved: number, at: number) => {
    const pace = { ...UNKNOWN_PACE, firstToken: new Map([[MODEL, { value, count: 1, at }]]) };
    return facts({ id, reserved, knowsLoaded: true, loaded: new Set([MODEL]), pace });
  };
  const nodes = [measured("full", 300, 4, NOW), measured("slow once", 20_000, 0, NOW - agoMs)];
  const expected = { firstTokenMs: 300, loadSpeed: 500_000, serviceMs: 4000 };
  const choice = choose(nodes, { ...placement(), expected, waiting: 1, accepted: true }, NOW, LIMITS);
  expect(choice.kind === "node" ? choice.node.id : choice.kind).toBe(picked);
});

test("a node that has just come back is taken beside a full one as fast as it: its small share is one of what there is", () => {
  const pace = { ...UNKNOWN_PACE, firstToken: new Map([[MODEL, { value: 2000, count: 32, at: NOW }]]) };
  const alike = { slots: 1, knowsLoaded: true, loaded: new Set([MODEL]), pace };
  const nodes = [
    facts({ ...alike, id: "full", reserved: 1 }),
    facts({ ...alike, id: "back", trust: { ...newcomer(NOW), readmittedAt: NOW } }),
  ];
  const expected = { firstTokenMs: 2000, loadSpeed: 500_000, serviceMs: 4000 };
  expect(choose(nodes, { ...placement(), expected }, NOW, LIMITS)).toMatchObject({ node: { id: "back" } });
});

test("a size of nothing is an unknown one, and teaches no speed", () => {
  expect(sizeOf(MODEL, new Map([[MODEL, 0]]))).toBe(sizeOf(MODEL, new Map()));
  for (const [bytes, ms] of [
    [0, 2000],
    [Number.NaN, 2000],
    [5e9, Number.POSITIVE_INFINITY],
    [Number.POSITIVE_INFINITY, 2000],
  ] as const)
    expect(afterLoad(UNKNOWN_PACE, bytes, ms)).toBe(UNKNOWN_PACE);
});
