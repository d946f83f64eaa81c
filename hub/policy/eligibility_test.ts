import { expect, test } from "bun:test";
import { ANY_MODEL } from "../../shared/model_name.ts";
import { ejected, facts, LIMITS, MODEL, NOW, onTrial, placement } from "../testing/node_facts.ts";
import { type Ineligible, isLoading, type NodeFacts, type Placement, passesSoon, whyNot } from "./eligibility.ts";

const later = new Map([[MODEL, NOW + 1]]);
const over = new Map([[MODEL, NOW]]);

/** The obstacles in the order in which they are named: a lasting one before one that passes. */
const obstacles: Record<Exclude<Ineligible, "not the node asked for">, Partial<NodeFacts>> = {
  "model not there": { models: new Set(["registry.ollama.ai/library/mistral:latest"]) },
  "agent too old": { capabilities: ["execute"] },
  "model claim not believed": { disbelieved: later },
  "already tried": { id: "tried" },
  "no usable address": { dialable: false },
  "address not proven": { dialable: false, unproven: true },
  "proving its address": { dialable: false, unproven: true, proving: true },
  offline: { lastHeardAt: NOW - 90_000 },
  draining: { intent: "draining" },
  left: { intent: "left" },
  "Ollama not answering": { ollamaOk: false },
  "model does not fit": { unfit: later },
  ejected: { trust: ejected() },
  "on trial, busy": { trust: onTrial, reserved: 1 },
  resting: { restingUntil: NOW + 1 },
  full: { reserved: 4, slots: 4 },
};
const reasons = Object.keys(obstacles) as (keyof typeof obstacles)[];

/** For one of Ollama's own routes, at a node it was not tried at yet. */
const inference: Placement = { ...placement("tried"), needs: { capability: "ollama", nodeId: null, slot: true } };

function why(changes: Partial<NodeFacts>, request: Placement = inference): Ineligible | null {
  return whyNot(facts(changes), request, NOW, LIMITS);
}

test.each(reasons)("a node is passed over for: %s", (reason) => {
  expect(why(obstacles[reason])).toBe(reason);
});

test.each<[served: string, changes: Partial<NodeFacts>]>([
  ["that is idle and was just heard", {}],
  ["that is stale, a millisecond before it is offline", { lastHeardAt: NOW - 89_999 }],
  ["that is on trial and idle", { trust: onTrial }],
  ["with one slot left", { reserved: 3 }],
  ["whose claim is believed again", { disbelieved: over }],
  ["whose memory may be tried again", { unfit: over }],
  ["whose rest is just over", { restingUntil: NOW }],
  ["that was disbelieved for another model", { disbelieved: new Map([["other", NOW + 1]]) }],
  ["that another model did not fit", { unfit: new Map([["other", NOW + 1]]) }],
])("a node %s may serve", (_, changes) => {
  expect(why(changes)).toBeNull();
});

test("a node gone for good is offline too", () => {
  expect(why({ lastHeardAt: NOW - 180_000 })).toBe("offline");
});

const pairs = reasons.flatMap((first, index) =>
  reasons
    .slice(index + 1)
    // One field holds one value: a node that left does not drain, one on trial is not ejected.
    .filter((second) => !(first === "draining" && second === "left"))
    .filter((second) => !(isAboutAddresses(first) && isAboutAddresses(second)))
    .filter((second) => !(first === "ejected" && second === "on trial, busy"))
    .map((second) => [first, second] as const),
);

function isAboutAddresses(reason: string): boolean {
  return reason.includes("address");
}

test.each(pairs)("%s is named before %s", (first, second) => {
  expect(why({ ...obstacles[second], ...obstacles[first] })).toBe(first);
});

test("only what passes by itself as work finishes is worth waiting for", () => {
  expect(reasons.filter(passesSoon)).toEqual(["proving its address", "on trial, busy", "resting", "full"]);
});

test("a request for one node goes to no other, and says so before anything else", () => {
  const pinned = { ...inference, needs: { ...inference.needs, nodeId: "node" } };
  expect(why({}, pinned)).toBeNull();
  for (const reason of reasons) {
    expect(why({ ...obstacles[reason], id: "another" }, pinned)).toBe("not the node asked for");
  }
});

test("an agent that says nothing of what it can do gets jobs only", () => {
  expect(why({ capabilities: [] })).toBe("agent too old");
  expect(why({ capabilities: [] }, placement())).toBeNull();
});

test("a request that names no model fits every node, whatever it has", () => {
  expect(why({ models: new Set() }, { ...inference, model: ANY_MODEL })).toBeNull();
});

test.each<[obstacle: keyof typeof obstacles]>([["full"], ["resting"], ["on trial, busy"]])(
  "a question that runs no model is answered by a node that is: %s",
  (obstacle) => {
    const question = { ...inference, needs: { ...inference.needs, slot: false } };
    expect(why(obstacles[obstacle], question)).toBeNull();
  },
);

test.each<[name: string, changes: Partial<NodeFacts>, loading: boolean]>([
  ["neither in memory nor on its way", {}, false],
  ["that a request of ours waits for", { starting: new Map([[MODEL, 1]]) }, true],
  ["that the agent says it is loading", { loading: new Set([MODEL]) }, true],
  ["that is in memory, whatever is waited for", { loaded: new Set([MODEL]), starting: new Map([[MODEL, 1]]) }, false],
  ["beside another that loads", { loading: new Set(["other"]) }, false],
])("a model %s", (_, changes, loading) => {
  expect(isLoading(facts(changes), MODEL)).toBe(loading);
});
