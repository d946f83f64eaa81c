import { expect, test } from "bun:test";
import fc from "fast-check";
import { ejected, facts, LIMITS, NOW, onTrial, placement } from "../testing/node_facts.ts";
import { type Admitted, newcomer } from "./ejection.ts";
import { whyNot } from "./eligibility.ts";
import { busyness, RAMP_MS, rampOf } from "./ramp.ts";
import { choose } from "./selection.ts";

/** Back since `ms` milliseconds. */
const backSince = (ms: number): Admitted => ({ ...newcomer(NOW - ms), readmittedAt: NOW - ms });

test.each<[ms: number, part: number]>([
  [-1, 0.1],
  [0, 0.1],
  [10_000, 0.4],
  [15_000, 0.55],
  [20_000, 0.7],
  [30_000, 1],
  [3_600_000, 1],
])("%p ms after its trial a node has the part %p of its share", (ms, part) => {
  expect(rampOf(backSince(ms), NOW)).toBeCloseTo(part, 9);
});

test("only a node that was ejected begins with less", () => {
  for (const trust of [newcomer(NOW), onTrial, ejected()]) expect(rampOf(trust, NOW)).toBe(1);
});

test("where nobody else has a free slot, a node that is just back is given all of its own", () => {
  const full = facts({ id: "full", reserved: 4 });
  for (const reserved of [0, 1, 3]) {
    const back = facts({ id: "back", reserved, trust: backSince(0) });
    expect(choose([full, back], placement(), NOW, LIMITS)).toEqual({ kind: "node", node: back });
  }
  expect(whyNot(facts({ reserved: 4, trust: backSince(0) }), placement(), NOW, LIMITS)).toBe("full");
});

test("a node without a ramp is compared by its active jobs per slot, as ever", () => {
  expect(busyness(facts({ reserved: 3, slots: 4 }), NOW)).toBe(0.75);
  expect(busyness(facts({ reserved: 3, slots: 4, trust: backSince(RAMP_MS) }), NOW)).toBe(0.75);
});

test("whatever the load, a node that comes back has no more than its part of a fair share while others have room", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 16 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 16 }), fc.nat(30_000), fc.nat(90), (others, slots, ms, requests) => {
      let nodes = [
        facts({ id: "back", slots, trust: backSince(ms) }),
        ...others.map((size, index) => facts({ id: `other ${index}`, slots: size, lastPicked: index })),
      ];
      for (let request = 0; request < requests; request++) {
        const choice = choose(nodes, placement(), NOW, LIMITS);
        if (choice.kind !== "node") break;
        nodes = nodes.map((node) =>
          node.id === choice.node.id ? { ...node, reserved: node.reserved + 1, lastPicked: 100 + request } : node,
        );
      }
      const back = nodes[0]?.reserved ?? 0;
      const total = nodes.reduce((sum, node) => sum + node.reserved, 0);
      const all = nodes.reduce((sum, node) => sum + node.slots, 0);
      const open = slots * rampOf(backSince(ms), NOW);
      // A fair share is by slots, one at least; what the others have no room for is nobody's share.
      if (nodes.every(({ id, reserved, slots }) => id === "back" || reserved === slots)) return;
      expect(back).toBeLessThanOrEqual((total * open) / (all - slots + open) + 1);
    }),
    { numRuns: 2000 },
  );
});

test("in its first five seconds it gets at most 35 % of a fair share under load", () => {
  for (const busy of [4, 8, 12]) {
    for (let ms = 0; ms <= 5_000; ms += 500) {
      let nodes = ["back", "a", "b", "c"].map((id) => facts(id === "back" ? { id, trust: backSince(ms) } : { id }));
      for (let request = 0; request < busy; request++) {
        const choice = choose(nodes, placement(), NOW, LIMITS);
        if (choice.kind !== "node") break;
        nodes = nodes.map((node) => (node.id === choice.node.id ? { ...node, reserved: node.reserved + 1 } : node));
      }
      const [back, ...rest] = nodes.map(({ reserved }) => reserved);
      expect((back ?? 0) / Math.max(...rest)).toBeLessThanOrEqual(0.35);
    }
  }
});
