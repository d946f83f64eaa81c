import { expect, test } from "bun:test";
import { facts, MODEL, NOW, placement } from "../testing/node_facts.ts";
import type { NodeFacts, Placement } from "./eligibility.ts";
import { expectedOf, firstTokenStep, isInTime, latestFirstToken } from "./first_token.ts";
import { type Pace, UNKNOWN_PACE } from "./pace.ts";

const GB = 1e9;
const pace = (firstTokenMs: number | null, changes: Partial<Pace> = {}): Pace => ({
  ...UNKNOWN_PACE,
  firstToken: new Map(firstTokenMs === null ? [] : [[MODEL, { value: firstTokenMs, count: 9, at: NOW }]]),
  // Ten seconds for the model's five gigabytes.
  load: { value: (5 * GB) / 10_000, count: 1 },
  ...changes,
});

const node = (id: string, changes: Partial<NodeFacts> = {}): NodeFacts => ({
  ...facts({ id, knowsLoaded: true, loaded: new Set([MODEL]) }),
  pace: pace(1000),
  sizes: new Map([[MODEL, 5 * GB]]),
  ...changes,
});
const cold = (id: string, changes: Partial<NodeFacts> = {}) => node(id, { loaded: new Set(), ...changes });

const request = (changes: Partial<Placement> = {}): Placement => ({
  ...placement(),
  expected: { firstTokenMs: 1000, loadSpeed: (5 * GB) / 10_000, serviceMs: 8000 },
  loadOptions: "",
  lastNode: null,
  ...changes,
});

/** The one that is expected first, or "same". */
function sooner(a: NodeFacts, b: NodeFacts, asked = request()): string {
  const [one, other] = [firstTokenStep(a, asked, NOW), firstTokenStep(b, asked, NOW)];
  return one === other ? "same" : one < other ? a.id : b.id;
}

const OTHER = "other";
const withOther = (changes: Partial<NodeFacts> = {}) =>
  cold("in place", {
    loaded: new Set([OTHER]),
    sizes: new Map([
      [MODEL, 5 * GB],
      [OTHER, 5 * GB],
    ]),
    pace: pace(1000, { overflow: 10 * GB }),
    ...changes,
  });

test.each<[what: string, a: NodeFacts, b: NodeFacts, sooner: string]>([
  ["a fast one before a slow one", node("fast"), node("slow", { pace: pace(2000) }), "fast"],
  ["less than a quarter more is no difference", node("a"), node("b", { pace: pace(1050) }), "same"],
  ["an idle one before a busy one", node("idle"), node("busy", { reserved: 1 }), "idle"],
  ["a fast busy one before a slow idle one", node("fast", { reserved: 2 }), node("slow", { pace: pace(9000) }), "fast"],
  ["in memory and busy before on disk", node("warm", { reserved: 1 }), cold("cold"), "warm"],
  ["on disk with room before in memory and very busy", cold("cold"), node("warm", { reserved: 3 }), "cold"],
  ["in memory and very busy before on disk without room", withOther(), node("warm", { reserved: 3 }), "warm"],
  ["where there is room before where another has to leave", withOther(), cold("room"), "room"],
  [
    "one with a fast disk before one with a slow one",
    cold("a", { pace: pace(1000, { load: { value: GB, count: 1 } }) }),
    cold("b"),
    "a",
  ],
  ["one not measured is as fast as the fastest", node("new", { pace: pace(null) }), node("b"), "same"],
  ["a cloud service's model needs no load", cold("cloud", { remote: new Set([MODEL]) }), node("b"), "same"],
  ["one that does not say what is in memory may have it", cold("old", { knowsLoaded: false }), node("b"), "same"],
])("%s", (_, a, b, first) => {
  expect(sooner(a, b)).toBe(first);
  expect(sooner(b, a)).toBe(first);
});

test("one that loads it already is expected for the rest of the load, one that loads another after that", () => {
  const loading = (model: string, sinceMs: number) =>
    cold("loading", {
      starting: new Map([[model, 1]]),
      loadingSince: new Map([[model, NOW - sinceMs]]),
      sizes: new Map([
        [MODEL, 5 * GB],
        [OTHER, 5 * GB],
      ]),
    });
  expect(sooner(loading(MODEL, 9_500), cold("cold"))).toBe("loading");
  expect(sooner(loading(MODEL, 0), cold("cold"))).toBe("cold");
  expect(sooner(loading(OTHER, 0), cold("cold"))).toBe("cold");
});

test("a model in memory with other load options has to be loaded anew, in its own place", () => {
  const small = node("small", { pace: pace(1000, { loadOptions: new Map([[MODEL, "num_ctx 2048"]]) }) });
  const large = node("large", { pace: pace(1000, { loadOptions: new Map([[MODEL, "num_ctx 8192"]]) }) });
  expect(sooner(small, large, request({ loadOptions: "num_ctx 8192" }))).toBe("large");
  expect(sooner(small, cold("cold"), request({ loadOptions: "num_ctx 8192" }))).toBe("cold");
});

test("the node of the conversation's last turn counts half, so it goes first until it is twice as busy", () => {
  const asked = request({ lastNode: "last" });
  expect(sooner(node("last", { reserved: 0 }), node("b"), asked)).toBe("last");
  expect(sooner(node("last", { reserved: 1 }), node("b"), asked)).toBe("same");
  expect(sooner(node("last", { reserved: 3 }), node("b"), asked)).toBe("b");
});

test("without anything measured nothing is expected: all are the same", () => {
  expect(sooner(node("a", { reserved: 3 }), cold("b"), request({ expected: null }))).toBe("same");
});

const full = node("full", { reserved: 4 });
const left = (candidates: NodeFacts[], asked = request(), worth: NodeFacts[] = [full]) =>
  candidates.filter((each) => isInTime(each, asked, NOW, latestFirstToken(worth, asked, NOW))).map(({ id }) => id);

test.each<[what: string, candidates: NodeFacts[], waiting: number, left: string[]]>([
  ["another has it in memory", [node("b")], 0, ["b"]],
  ["another has room for it", [cold("b")], 0, ["b"]],
  ["another would lose a model for it", [withOther()], 0, []],
  ["another would lose a model for it, and many wait", [withOther()], 20, ["in place"]],
  ["another is far slower", [node("slow", { pace: pace(30_000) })], 0, []],
  ["another is far slower, and many wait", [node("slow", { pace: pace(30_000) })], 40, ["slow"]],
])("a full node with the model is worth waiting for or not when %s", (_, candidates, waiting, ids) => {
  expect(left(candidates, request({ waiting }))).toEqual(ids);
});

test("who has waited for twice as long as the free node would have taken waits no more", () => {
  // A second, and a load of ten: that it counts three times, since another model has to leave, is none of its waiting.
  expect(left([withOther()], request({ waitedMs: 21_999 }))).toEqual([]);
  expect(left([withOther()], request({ waitedMs: 22_000 }))).toEqual(["in place"]);
});

test("who has waited for a quarter of the time that it may waits no more", () => {
  expect(left([withOther()], request({ waitedMs: 999, patienceMs: 4000 }))).toEqual([]);
  expect(left([withOther()], request({ waitedMs: 1000, patienceMs: 4000 }))).toEqual(["in place"]);
});

test.each<[what: string, asked: Placement, worth: NodeFacts[]]>([
  ["nothing is expected", request({ expected: null }), [full]],
  ["it runs no model", request({ needs: { ...placement().needs, slot: false } }), [full]],
  ["the full one has not got the model either", request(), [cold("full", { reserved: 4 })]],
])("nobody is waited for where %s", (_, asked, worth) => {
  expect(left([withOther()], asked, worth)).toEqual(["in place"]);
});

test("of the fleet the fastest first token and the mean load speed are taken, once there is a first token", () => {
  const nodes = [
    node("a", { pace: pace(3000) }),
    node("b", { pace: pace(2000, { load: null }) }),
    node("c", { pace: pace(null) }),
  ];
  expect(expectedOf(nodes, MODEL, 5000)).toEqual({ firstTokenMs: 2000, loadSpeed: (5 * GB) / 10_000, serviceMs: 5000 });
  expect(expectedOf([node("c", { pace: pace(null) })], MODEL, 5000)).toBeNull();
  expect(expectedOf(nodes, MODEL, null)).toBeNull();
});
