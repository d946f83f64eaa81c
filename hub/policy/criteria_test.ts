/** LB_POLICY=least-busy: the order of the user's earlier system. That of first-token is in selection_test.ts. */
import { expect, test } from "bun:test";
import { facts, LIMITS, MODEL, NOW, placement } from "../testing/node_facts.ts";
import { newcomer } from "./ejection.ts";
import type { NodeFacts, Placement } from "./eligibility.ts";
import { choose } from "./selection.ts";

const failures = (count: number) => ({ trust: { ...newcomer(0), failures: count } });

/** Each step of the user's own order, to the letter. */
const usersOrder: readonly [step: string, better: Partial<NodeFacts>, worse: Partial<NodeFacts>][] = [
  ["fresh before stale", { lastHeardAt: NOW - 59_999 }, { lastHeardAt: NOW - 60_000 }],
  ["fewer active jobs, whatever the slots", { reserved: 1, slots: 2 }, { reserved: 2, slots: 8 }],
  ["lower CPU, to the last digit", { cpu: 0.201 }, { cpu: 0.202 }],
  ["fewer failures", failures(0), failures(1)],
  ["joined first", { joined: 1, lastPicked: 9 }, { joined: 2, lastPicked: 1 }],
];

test.each(usersOrder.map(([step], index) => [step, index] as const))(
  "with LB_POLICY=least-busy %s outweighs every later step, and nothing else counts",
  (_, index) => {
    const [, better, worse] = usersOrder[index] ?? ["", {}, {}];
    const later = usersOrder.slice(index + 1);
    const nodes = [
      facts({
        id: "best in all the rest",
        loaded: new Set([MODEL]),
        lastPicked: 0,
        ...Object.assign({}, ...later.map(([, facts]) => facts)),
        ...worse,
      }),
      facts({
        id: "better here",
        lastPicked: 9,
        ...Object.assign({}, ...later.map(([, , facts]) => facts)),
        ...better,
      }),
    ];
    for (const each of [nodes, nodes.toReversed()]) {
      const choice = choose(each, { ...placement(), policy: "least-busy" }, NOW, LIMITS);
      expect(choice).toMatchObject({ kind: "node", node: { id: "better here" } });
    }
  },
);

test("with LB_POLICY=least-busy nobody is held back because another node loads the model, or is full and has it", () => {
  const cold = facts({ id: "cold", knowsLoaded: true, reserved: 1 });
  const loading = facts({ id: "loading", knowsLoaded: true, starting: new Map([[MODEL, 1]]), reserved: 2 });
  const request: Placement = { ...placement(), policy: "least-busy" };
  expect(choose([loading, cold], request, NOW, LIMITS)).toMatchObject({ node: { id: "cold" } });
  expect(choose([loading, cold], placement(), NOW, LIMITS)).toMatchObject({ node: { id: "loading" } });
});
