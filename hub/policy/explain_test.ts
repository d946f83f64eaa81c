/** What is told of a decision is what was decided, by the same rules, and reads as plain English. */
import { expect, test } from "bun:test";
import { ejected, facts, LIMITS, MODEL, NOW, onTrial, placement } from "../testing/node_facts.ts";
import { CRITERIA } from "./criteria.ts";
import { lookAround } from "./crowd.ts";
import { type JudgeOptions, judge, type RouteFacts, type TellableNode } from "./decision.ts";
import { newcomer } from "./ejection.ts";
import type { NodeFacts, Placement } from "./eligibility.ts";
import { type Explanation, explain } from "./explain.ts";
import { UNKNOWN_PACE } from "./pace.ts";
import { look } from "./selection.ts";

type Node = TellableNode<RouteFacts>;

const node = (id: string, changes: Partial<NodeFacts> = {}): Node => ({ ...facts({ id, ...changes }), routes: [] });
const about = { model: "llama3", endpoint: "/jobs", at: new Date(0) };

function told(nodes: readonly Node[], request = placement(), options: JudgeOptions<Node> = {}): Explanation {
  return explain(judge(look(nodes, request, NOW, LIMITS), options), about, (routes) => routes.toReversed());
}

const asks = (nodeId: string): Placement => ({ ...placement(), needs: { ...placement().needs, nodeId } });
const warm = { loaded: new Set([MODEL]), knowsLoaded: true };
const cold = { knowsLoaded: true };
const startsLoad = { ...cold, starting: new Map([[MODEL, 1]]) };
const awaits: Placement = { ...placement(), expected: { firstTokenMs: 500, loadSpeed: 500_000, serviceMs: 2000 } };
const leastBusy: Placement = { ...placement(), policy: "least-busy" };
const back = { trust: { ...newcomer(0), readmittedAt: NOW } };

test.each<[sentence: string, nodes: Node[], request?: Placement]>([
  ["b gets it: 0 of 4 slots used, before a (1 of 4).", [node("a", { reserved: 1 }), node("b")]],
  [
    "b gets it: its first token is expected soonest, 0.5 s with 0 of 4 slots used, before a (1 s with 1 of 4 slots used).",
    [node("a", { ...warm, reserved: 1 }), node("b", warm)],
    awaits,
  ],
  [
    "b gets it: its first token is expected soonest, 1 s with 1 of 4 slots used, before a (2.5 s with 0 of 4 slots used and a load).",
    [node("a", cold), node("b", { ...warm, reserved: 1 })],
    awaits,
  ],
  [
    "It waits: a could serve it, but a node that is full now is expected sooner; b (4 of 4 slots used) has no free slot.",
    [
      node("a", { ...cold, loaded: new Set(["other"]), pace: { ...UNKNOWN_PACE, overflow: 1 } }),
      node("b", { ...warm, reserved: 4 }),
    ],
    awaits,
  ],
  [
    "b gets it: it has the fewest requests at work (0), before a (1).",
    [node("a", { reserved: 1 }), node("b")],
    leastBusy,
  ],
  [
    "b gets it: its CPU is less busy (12.1 %), before a (12.3 %).",
    [node("a", { cpu: 0.123 }), node("b", { cpu: 0.121 })],
    leastBusy,
  ],
  [
    "b gets it: it joined first, and nothing else tells it and a apart.",
    [node("a", { joined: 2 }), node("b", { joined: 1 })],
    leastBusy,
  ],
  [
    "b gets it: 1 of 4 slots used, before a (0 of 4, just back and given work slowly).",
    [node("a", back), node("b", { reserved: 1 })],
  ],
  [
    "b gets it: it was heard from lately, and a has been silent for a while.",
    [node("a", { lastHeardAt: NOW - 61_000 }), node("b")],
  ],
  ["b gets it: it has the model in memory, before a, which would have to load it.", [node("a", cold), node("b", warm)]],
  ["b gets it: it has the model in memory, before a, which does not say so.", [node("a"), node("b", warm)]],
  [
    "b gets it: its CPU is less busy (about 10 %), before a (about 50 %).",
    [node("a", { cpu: 0.48 }), node("b", { cpu: 0.12 })],
  ],
  [
    "b gets it: its CPU is less busy (about 20 %), before a (about 30 %).",
    [node("a", { cpu: 0.26 }), node("b", { cpu: 0.23 })],
  ],
  [
    "b gets it: it failed less often lately (0 times in a row), before a (2).",
    [node("a", { trust: { ...newcomer(0), failures: 2 } }), node("b")],
  ],
  [
    "b gets it: it is its turn, since a is as good and was given a request more recently.",
    [node("a", { lastPicked: 2 }), node("b", { lastPicked: 1 })],
  ],
  ["a gets it: it comes before b in the list and nothing else tells them apart.", [node("a"), node("b")]],
  ["a gets it: there is no other node.", [node("a")]],
  ["a gets it: the request asks for that node (X-Node-Id).", [node("a"), node("b")], asks("a")],
  [
    "a gets it: no other node can serve it now. b and c are offline; d does not have the model.",
    [node("a"), node("b", { lastHeardAt: 0 }), node("c", { lastHeardAt: 0 }), node("d", { models: new Set() })],
  ],
  [
    "b gets it: it has the model in memory. a could serve it, but another node has the model in memory.",
    [node("a", cold), node("b", { ...warm, reserved: 1 }), node("c", { ...startsLoad, reserved: 4 })],
  ],
  [
    "b gets it: it is loading the model already. a could serve it, but another node is loading the model.",
    [node("a", cold), node("b", startsLoad)],
  ],
  [
    "a gets it although it failed too often lately: no other node can serve it.",
    [node("a", { trust: ejected() }), node("b", { intent: "draining" })],
  ],
  ["It waits: a (4 of 4 slots used) has no free slot.", [node("a", { reserved: 4 }), node("b", { lastHeardAt: 0 })]],
  [
    "It waits: a (4 of 4 slots used) and b (2 of 2 slots used) have no free slot; c said a moment ago that it is busy.",
    [node("a", { reserved: 4 }), node("b", { reserved: 2, slots: 2 }), node("c", { restingUntil: NOW + 1 })],
  ],
  [
    "It waits: a could serve it, but another node is loading the model; b (4 of 4 slots used) has no free slot.",
    [node("a", cold), node("b", { ...startsLoad, reserved: 4 })],
  ],
  [
    "It waits for a and b, which failed lately and are busy too: no other node can serve it.",
    [node("a", { trust: ejected(), reserved: 4 }), node("b", { trust: ejected(), restingUntil: NOW + 1 })],
  ],
  ["No node can serve it: no node has joined this hub.", []],
  ["No node can serve it: none has the model.", [node("a", { models: new Set() }), node("b", { models: new Set() })]],
  [
    "No node can serve it: a failed at it already; b is about to stop and takes no new work; c has an Ollama that does not answer.",
    [node("a"), node("b", { intent: "draining" }), node("c", { ollamaOk: false })],
    placement("a"),
  ],
  [
    "No node can serve it: it asks for b (X-Node-Id), which was stopped.",
    [node("a"), node("b", { intent: "left" })],
    asks("b"),
  ],
  [
    'No node can serve it: it asks for "attic" (X-Node-Id), and there is no node of that name.',
    [node("a")],
    asks("attic"),
  ],
  [
    "No node can serve it: a, b, c, d and 6 others are offline.",
    Array.from("abcdefghij", (id) => node(id, { lastHeardAt: 0 })),
  ],
])("%s", (sentence, nodes, ...rest) => {
  // Where a row has no third value, Bun passes `done`.
  const [request] = rest;
  expect(told(nodes, typeof request === "object" ? request : undefined).summary).toBe(sentence);
});

test("a node with another version of the model is held back while one with the right one will serve", () => {
  const nodes = [node("a", { digests: new Map([[MODEL, "x"]]) }), node("b", { digests: new Map([[MODEL, "y"]]) })];
  const request = { ...placement(), digest: "y" };
  expect(told(nodes, request)).toMatchObject({
    node_id: "b",
    summary: "b gets it: it is the only one that is asked. a could serve it, but it has another version of the model.",
    nodes: [
      { node_id: "b", rank: 1 },
      { node_id: "a", rank: null, eligible: true, reason: null, held_back: "it has another version of the model" },
    ],
  });
});

test("who comes new is told who looks before it; who failed somewhere goes first itself", () => {
  const nodes = [node("a"), node("b", { reserved: 1 })];
  const ahead = (waiting: number, ...tried: string[]) =>
    told(nodes, { ...placement(...tried), waiting }, { newcomer: true }).summary;
  expect(ahead(1)).toEndWith("before b (1 of 4). One request for the same model waits already and goes first.");
  expect(ahead(3)).toEndWith(" 3 requests for the same model wait already and go first.");
  expect(ahead(3, "a")).not.toContain("wait");
  expect(told(nodes, { ...placement(), waiting: 3 }).summary).not.toContain("wait");
});

test("everything that decided is there, with the routes in the order of dialling", () => {
  const routes = [
    { family: "IPv6", address: "2001:db8::1", reachable: true, rttMs: 1.2345 },
    { family: "IPv4", address: "192.0.2.1", reachable: null, rttMs: null },
  ] as const;
  const nodes = [
    { ...node("a", { reserved: 1, cpu: 0.5, ...warm }), routes },
    node("b"),
    node("c", { reserved: 4, trust: onTrial }),
  ];
  expect(told(nodes)).toEqual({
    model: "llama3",
    endpoint: "/jobs",
    at: "1970-01-01T00:00:00.000Z",
    outcome: "node",
    node_id: "b",
    summary: "b gets it: 0 of 4 slots used, before a (1 of 4).",
    policy: "first-token",
    order: CRITERIA["first-token"].map(({ name, meaning }) => ({ name, meaning })),
    nodes: [
      {
        node_id: "b",
        rank: 1,
        eligible: true,
        reason: null,
        why: null,
        passes_soon: false,
        values: {
          heartbeat: "fresh",
          active_jobs: 0,
          slots: 4,
          in_memory: false,
          loading: false,
          first_token_ms: null,
          cpu: 0,
          failures: 0,
        },
        decided_by: null,
        held_back: null,
        routes: [],
      },
      {
        node_id: "a",
        rank: 2,
        eligible: true,
        reason: null,
        why: null,
        passes_soon: false,
        values: {
          heartbeat: "fresh",
          active_jobs: 1,
          slots: 4,
          in_memory: true,
          loading: false,
          first_token_ms: null,
          cpu: 0.5,
          failures: 0,
        },
        decided_by: "busy",
        held_back: null,
        routes: [
          { family: "IPv4", address: "192.0.2.1", reachable: null, rtt_ms: null },
          { family: "IPv6", address: "2001:db8::1", reachable: true, rtt_ms: 1.23 },
        ],
      },
      {
        node_id: "c",
        rank: null,
        eligible: false,
        reason: "on trial, busy",
        why: "failed lately and is busy with the one request it gets on trial",
        passes_soon: true,
        values: {
          heartbeat: "fresh",
          active_jobs: 4,
          slots: 4,
          in_memory: false,
          loading: false,
          first_token_ms: null,
          cpu: 0,
          failures: 0,
        },
        decided_by: null,
        held_back: null,
        routes: [],
      },
    ],
  });
});

test("of a fleet of more than 64 a kept decision has the 16 best and says how many more there were", () => {
  const many = (count: number, changes: Partial<NodeFacts> = {}) =>
    Array.from({ length: count }, (_, index) => node(`n${index}`, { lastPicked: (index * 37) % count, ...changes }));
  expect(told(many(64)).nodes).toHaveLength(64);
  expect(told(many(64))).not.toHaveProperty("not_shown");
  const large = told(many(100));
  expect(large).toMatchObject({ not_shown: 84, node_id: "n0" });
  const best = told(many(100), placement(), { whole: true }).nodes;
  expect(best).toHaveLength(100);
  expect(large.nodes).toEqual(best.slice(0, 16));
  const nobody = told([...many(80, { lastHeardAt: 0 }), node("full", { reserved: 4 })]);
  expect(nobody).toMatchObject({ outcome: "wait", not_shown: 65 });
  expect(nobody.nodes[0]?.node_id).toBe("full");
  expect(nobody.summary).toBe(
    "It waits: full (4 of 4 slots used) has no free slot; 65 more nodes are not listed here.",
  );
});

test("of a fleet too large to look at whole it tells how many were looked at", () => {
  const holders = Array.from({ length: 1000 }, (_, index) => node(`n${index}`, { lastPicked: index, joined: index }));
  const crowd = {
    holders,
    warm: [],
    free: new Set(holders),
    leastBusy: () => holders,
    named: () => undefined,
    turn: 0,
  };
  const fleet = { size: 1000, all: () => holders, get: () => undefined };
  const tell = (request: Placement) =>
    explain(judge(lookAround(crowd, request, NOW, LIMITS), { fleet }), about, (routes) => routes);
  expect(tell(placement())).toMatchObject({
    summary:
      "n0 gets it: it is its turn, since n1 is as good and was given a request more recently. " +
      "256 of 1000 nodes were looked at.",
    nodes: { length: 16 },
    not_shown: 984,
  });
  expect(tell(leastBusy).summary).toBe("n0 gets it: it joined first, and nothing else tells it and n1 apart.");
});

test("the node that is asked for is told of first, however many there are, and whether or not it has the model", () => {
  for (const changes of [{ lastHeardAt: 0 }, { models: new Set<string>() }]) {
    const all = Array.from({ length: 100 }, (_, index) => node(`n${index}`, index === 99 ? changes : {}));
    const fleet = { size: 100, all: () => all, get: (id: string) => all.find((each) => each.id === id) };
    const holders = all.filter(({ models }) => models.has(MODEL));
    const { summary, nodes } = told(holders, asks("n99"), { fleet });
    expect(summary).toStartWith("No node can serve it: it asks for n99 (X-Node-Id), which ");
    expect(nodes).toHaveLength(16);
    expect(nodes[0]?.node_id).toBe("n99");
  }
});

test("nodes that are left out for a reason of the hub's own are shown with it", () => {
  const leftOut = { nodes: [node("a"), node("b", { lastHeardAt: 0 })], why: "clouds", summary: "No clouds here." };
  expect(told([], placement(), { leftOut })).toMatchObject({
    outcome: "none",
    summary: "No clouds here.",
    nodes: [
      { node_id: "a", eligible: true, held_back: "clouds" },
      { node_id: "b", eligible: false, held_back: null, reason: "offline" },
    ],
  });
});
