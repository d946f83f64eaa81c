import { expect, test } from "bun:test";
import fc from "fast-check";
import { compare } from "../policy/criteria.ts";
import { newcomer } from "../policy/ejection.ts";
import type { NodeFacts } from "../policy/eligibility.ts";
import { facts, LIMITS, NOW, placement } from "../testing/node_facts.ts";
import { compareLoad, createLoadOrder } from "./load_order.ts";

const anyLoad = fc.record({
  reserved: fc.nat(3),
  cpu: fc.constantFrom(0, 0.11, 0.12, 1),
  failures: fc.nat(2),
});
type Load = typeof anyLoad extends fc.Arbitrary<infer Some> ? Some : never;
const told = ({ failures, ...load }: Load) => ({ ...load, trust: { ...newcomer(0), failures } });

test("it is the order of LB_POLICY=least-busy among nodes that were heard from lately", () => {
  fc.assert(
    fc.property(anyLoad, anyLoad, (one, other) => {
      const [a, b] = [facts({ ...told(one), joined: 1 }), facts({ ...told(other), joined: 2 })];
      const request = { ...placement(), policy: "least-busy" } as const;
      expect(Math.sign(compareLoad(a, b))).toBe(Math.sign(compare(a, b, request, NOW, LIMITS)));
    }),
  );
});

test("whatever nodes come, change and go, they are told in their order", () => {
  const step = fc.record({ node: fc.nat(40), load: fc.option(anyLoad, { nil: null }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const order = createLoadOrder<NodeFacts>();
      const nodes = new Map<number, NodeFacts>();
      for (const { node: joined, load } of steps) {
        const node = nodes.get(joined) ?? { ...facts({ id: `n${joined}`, joined }) };
        if (load === null) {
          nodes.delete(joined);
          order.delete(node);
        } else {
          nodes.set(joined, Object.assign(node, told(load)));
          order.note(node);
        }
      }
      expect(Array.from(order.inOrder(), ({ id }) => id)).toEqual(
        [...nodes.values()].toSorted(compareLoad).map(({ id }) => id),
      );
    }),
    { numRuns: 300 },
  );
});
