import { expect, test } from "bun:test";
import { ejected, facts, LIMITS, MODEL, NOW, onTrial, placement } from "../testing/node_facts.ts";
import { type Ineligible, type NodeFacts, type Placement, passesSoon, whyNot } from "./eligibility.ts";

const later = new Map([[MODEL, NOW + 1]]);
const over = new Map([[MODEL, NOW]]);

/** The obstacles in the order in which they are named: a lasting one before one that passes. */
const obstacles: Record<Ineligible, Partial<NodeFacts>> = {
  "model not there": { models: new Set(["registry.ollama.ai/library/mistral:latest"]) },
  "model claim not believed": { disbelieved: later },
  "model does not fit": { unfit: later },
  "already tried": { id: "tried" },
  "no usable address": { dialable: false },
  offline: { lastHeardAt: NOW - 90_000 },
  draining: { intent: "draining" },
  left: { intent: "left" },
  "Ollama not answering": { ollamaOk: false },
  ejected: { trust: ejected() },
  "on trial, busy": { trust: onTrial, reserved: 1 },
  resting: { restingUntil: NOW + 1 },
  full: { reserved: 4, slots: 4 },
};
const reasons = Object.keys(obstacles) as Ineligible[];

function why(changes: Partial<NodeFacts>, request: Placement = placement("tried")): Ineligible | null {
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
    .filter((second) => !(first === "ejected" && second === "on trial, busy"))
    .map((second) => [first, second] as const),
);

test.each(pairs)("%s is named before %s", (first, second) => {
  expect(why({ ...obstacles[second], ...obstacles[first] })).toBe(first);
});

test("only what passes by itself as work finishes is worth waiting for", () => {
  expect(reasons.filter(passesSoon)).toEqual(["on trial, busy", "resting", "full"]);
});
