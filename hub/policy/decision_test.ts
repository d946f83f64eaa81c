/** What is kept of a decision is what was seen then, and what was seen before is not kept again. */
import { expect, test } from "bun:test";
import { facts, LIMITS, NOW, placement } from "../testing/node_facts.ts";
import { judge, type RouteFacts, type TellableNode } from "./decision.ts";
import type { NodeFacts } from "./eligibility.ts";
import { look } from "./selection.ts";

type Node = { -readonly [Name in keyof NodeFacts]: NodeFacts[Name] } & Pick<TellableNode<RouteFacts>, "routes">;

const node = (id: string): Node => ({ ...facts({ id }), routes: [] });

/** What a decision between `nodes` keeps of the one called `id`. */
function seen(nodes: readonly Node[], id: string) {
  const { ranked, others } = judge(look(nodes, placement(), NOW, LIMITS));
  return [...ranked, ...others].find((judged) => judged.id === id);
}

test("decisions share what they keep of a node that has not changed", () => {
  const nodes = [node("a"), node("b")];
  const before = seen(nodes, "b");
  expect(seen(nodes, "b")).toBe(before as NonNullable<typeof before>);
});

test("an earlier decision keeps a node as it was then", () => {
  const [a, b] = [node("a"), node("b")];
  const before = seen([a, b], "a");
  a.reserved = 3;
  const after = seen([a, b], "a");
  a.reserved = 0;
  expect([before, after, seen([a, b], "a")].map((judged) => judged?.activeJobs)).toEqual([0, 3, 0]);
  expect(before?.values).not.toEqual(after?.values ?? null);
});

test("nodes of the same name are not taken for each other", () => {
  const one = node("a");
  const other = { ...node("a"), slots: 9 };
  expect([seen([one], "a"), seen([other], "a"), seen([one], "a")].map((judged) => judged?.slots)).toEqual([4, 9, 4]);
});
