/** Choosing among nodes that have different manifests under one name, and for questions that run no model. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ejected, facts, LIMITS, MODEL, NOW, onTrial, placement } from "../testing/node_facts.ts";
import { type NodeFacts, type Placement, whyNot } from "./eligibility.ts";
import { choose } from "./selection.ts";

const withDigest = (digest: string, changes: Partial<NodeFacts> = {}) =>
  facts({ id: digest, digests: new Map([[MODEL, digest]]), ...changes });
const pick = (nodes: readonly NodeFacts[], request: Placement): string => {
  const choice = choose(nodes, request, NOW, LIMITS);
  return choice.kind === "node" ? choice.node.id : choice.kind;
};
const wants = (digest: string | null, ...tried: string[]): Placement => ({ ...placement(...tried), digest });

test.each<[what: string, nodes: NodeFacts[], picked: string, tried: string[]]>([
  ["is busier than another", [withDigest("x", { reserved: 3 }), withDigest("y")], "x", []],
  ["has it not in memory", [withDigest("x"), withDigest("y", { loaded: new Set([MODEL]) })], "x", []],
  ["is stale", [withDigest("x", { lastHeardAt: NOW - 61_000 }), withDigest("y")], "x", []],
  ["is full", [withDigest("x", { reserved: 4 }), withDigest("y")], "wait", []],
  ["rests", [withDigest("x", { restingUntil: NOW + 1 }), withDigest("y")], "wait", []],
  ["is on its trial request", [withDigest("x", { trust: onTrial, reserved: 1 }), withDigest("y")], "y", []],
  ["is offline", [withDigest("x", { lastHeardAt: 0 }), withDigest("y")], "y", []],
  ["drains", [withDigest("x", { intent: "draining" }), withDigest("y")], "y", []],
  ["is ejected", [withDigest("x", { trust: ejected() }), withDigest("y")], "y", []],
  ["failed this request", [withDigest("x"), withDigest("y")], "y", ["x"]],
  ["is gone", [withDigest("y")], "y", []],
  [
    "is offline and the other one full",
    [withDigest("x", { lastHeardAt: 0 }), withDigest("y", { reserved: 4 })],
    "wait",
    [],
  ],
])("a conversation with x, when the node that has it %s", (_, nodes, picked, tried) => {
  expect(pick(nodes, wants("x", ...tried))).toBe(picked);
});

test.each<[what: string, changes: Partial<Placement>, other: Partial<NodeFacts>, picked: string]>([
  ["that has waited for a quarter of its time takes another", { waitedMs: 5_000, mayChangeDigest: true }, {}, "y"],
  ["that has not waited for so long waits", { waitedMs: 4_999, mayChangeDigest: true }, {}, "wait"],
  ["of which the vectors are compared waits to the end", { waitedMs: 19_999, mayChangeDigest: false }, {}, "wait"],
  ["waits where all others are full too", { waitedMs: 19_999, mayChangeDigest: true }, { reserved: 4 }, "wait"],
])("while the nodes with its manifest are full, a request %s", (_, changes, other, picked) => {
  const nodes = [withDigest("x", { reserved: 4 }), withDigest("y", other)];
  expect(pick(nodes, { ...wants("x"), patienceMs: 20_000, ...changes })).toBe(picked);
});

test("a conversation that has waited for long still prefers its manifest where that is free", () => {
  const request = { ...wants("x"), patienceMs: 20_000, waitedMs: 19_000, mayChangeDigest: true };
  expect(pick([withDigest("x", { reserved: 3 }), withDigest("y")], request)).toBe("x");
});

test("nodes that can be gone through only once, as a Map's values, are all looked at", () => {
  const nodes = new Map([withDigest("x", { lastHeardAt: 0 }), withDigest("y")].map((node) => [node.id, node]));
  expect(choose(nodes.values(), wants("x"), NOW, LIMITS)).toMatchObject({ kind: "node", node: { id: "y" } });
});

test("a node that does not tell its manifests may have any", () => {
  expect(pick([facts({ id: "silent" }), withDigest("y")], wants("x"))).toBe("silent");
});

test("the manifest of another model under the name of this one's neighbour decides nothing", () => {
  const other = facts({ id: "other", digests: new Map([["registry.ollama.ai/library/mistral:latest", "y"]]) });
  expect(pick([other], wants("x"))).toBe("other");
});

test("without a digest in mind nothing about manifests decides", () => {
  expect(pick([withDigest("x", { reserved: 1 }), withDigest("y")], wants(null))).toBe("y");
});

test("a manifest is never waited for when no node that has it could ever serve, whatever the fleet", () => {
  const node = fc.record({
    digest: fc.constantFrom("x", "y"),
    reserved: fc.nat(4),
    offline: fc.boolean(),
    full: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(node, { maxLength: 6 }), (drawn) => {
      const nodes = drawn.map(({ digest, reserved, offline, full }, index) =>
        withDigest(digest, {
          id: `${digest}${index}`,
          reserved: full ? 4 : reserved,
          lastHeardAt: offline ? 0 : NOW,
        }),
      );
      const request = wants("x");
      const choice = pick(nodes, request);
      const reasons = (digest: string) =>
        nodes.filter(({ id }) => id.startsWith(digest)).map((each) => whyNot(each, request, NOW, LIMITS));
      if (reasons("x").includes(null)) expect(choice).toStartWith("x");
      else if (reasons("x").includes("full")) expect(choice).toBe("wait");
      else if (reasons("y").includes(null)) expect(choice).toStartWith("y");
      else expect(choice).toBe(reasons("y").includes("full") ? "wait" : "none");
    }),
  );
});

const question: Placement = { ...placement(), needs: { ...placement().needs, slot: false } };

test.each<[what: string, changes: Partial<NodeFacts>]>([
  ["is full", { reserved: 4 }],
  ["rests", { restingUntil: NOW + 1 }],
  ["is on its trial request", { trust: onTrial, reserved: 1 }],
  ["is ejected", { trust: ejected() }],
  ["is ejected and full", { trust: ejected(), reserved: 4 }],
  ["is ejected and rests", { trust: ejected(), restingUntil: NOW + 1 }],
])("a question that runs no model does not wait when the only node %s", (_, changes) => {
  expect(pick([facts({ id: "only", ...changes })], question)).toBe("only");
});
