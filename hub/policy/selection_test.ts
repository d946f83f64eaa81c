import { expect, test } from "bun:test";
import fc from "fast-check";
import { ejected, facts, LIMITS, MODEL, NOW, onTrial, placement } from "../testing/node_facts.ts";
import { compare } from "./criteria.ts";
import { newcomer } from "./ejection.ts";
import { type NodeFacts, passesSoon, whyNot } from "./eligibility.ts";
import { UNKNOWN_PACE } from "./pace.ts";
import { choose } from "./selection.ts";

const OTHER = "registry.ollama.ai/library/mistral:latest";

function pick(nodes: readonly NodeFacts[], ...tried: string[]): string {
  const choice = choose(nodes, placement(...tried), NOW, LIMITS);
  if (choice.kind === "none") return "none";
  return choice.kind === "wait" ? "wait" : choice.node.id;
}

const failures = (count: number) => ({ trust: { ...newcomer(0), failures: count } });

/** Each step of the order: what is better and what is worse by this step alone. */
const order: readonly [step: string, better: Partial<NodeFacts>, worse: Partial<NodeFacts>][] = [
  ["fresh before stale", { lastHeardAt: NOW - 59_999 }, { lastHeardAt: NOW - 60_000 }],
  ["fewer active jobs per slot", { reserved: 2, slots: 8 }, { reserved: 1, slots: 2 }],
  ["model in memory", { loaded: new Set([MODEL]) }, { loaded: new Set([OTHER]) }],
  ["lower CPU", { cpu: 0.2 }, { cpu: 0.3 }],
  ["fewer failures", failures(0), failures(1)],
  ["picked longest ago", { lastPicked: 1 }, { lastPicked: 2 }],
];

test.each(order)("%s decides between nodes that are equal otherwise", (_, better, worse) => {
  const nodes = [facts({ id: "worse", ...worse }), facts({ id: "better", ...better })];
  expect(pick(nodes)).toBe("better");
  expect(pick(nodes.toReversed())).toBe("better");
});

test.each(order.map(([step], index) => [step, index] as const))("%s outweighs every later step", (_, index) => {
  const [, better, worse] = order[index] ?? ["", {}, {}];
  const later = order.slice(index + 1);
  const otherwiseWorst = Object.assign({}, ...later.map(([, , facts]) => facts));
  const otherwiseBest = Object.assign({}, ...later.map(([, facts]) => facts));
  const nodes = [
    facts({ id: "best in all the rest", ...otherwiseBest, ...worse }),
    facts({ id: "better here", ...otherwiseWorst, ...better }),
  ];
  expect(pick(nodes)).toBe("better here");
});

test("the hub's own count decides, not a heartbeat that still says idle", () => {
  expect(pick([facts({ id: "said idle", reserved: 1, cpu: 0 }), facts({ id: "is idle", cpu: 0.9 })])).toBe("is idle");
});

test("a stale node serves when it is the only one with room", () => {
  expect(pick([facts({ id: "fresh", reserved: 4 }), facts({ id: "stale", lastHeardAt: NOW - 61_000 })])).toBe("stale");
});

test.each<[what: string, picked: string, nodes: NodeFacts[]]>([
  ["there is no node", "none", []],
  ["nobody lists the model", "none", [facts({ models: new Set([OTHER]) })]],
  ["the one that lists it is offline", "none", [facts({ lastHeardAt: NOW - 90_000 })]],
  ["the one that lists it has left", "none", [facts({ intent: "left" })]],
  ["the one that lists it had not got it", "none", [facts({ disbelieved: new Map([[MODEL, NOW + 1]]) })]],
  ["the only one is full", "wait", [facts({ reserved: 4 })]],
  ["the only one rests", "wait", [facts({ restingUntil: NOW + 1 })]],
  ["the only one is at its trial request, and full", "wait", [facts({ trust: onTrial, reserved: 4 })]],
  [
    "one is at its trial request and a trusted one full",
    "wait",
    [facts({ trust: onTrial, reserved: 1 }), facts({ id: "b", reserved: 4 })],
  ],
  ["one is full and one offline", "wait", [facts({ reserved: 4 }), facts({ id: "b", lastHeardAt: 0 })]],
  ["a full one lists another model", "none", [facts({ reserved: 4, models: new Set([OTHER]) })]],
])("when %s the answer is: %s", (_, picked, nodes) => {
  expect(pick(nodes)).toBe(picked);
});

test("when all are ejected, the one whose ejection ends first serves rather than nobody", () => {
  const nodes = [
    facts({ id: "late", trust: ejected(NOW + 60_000) }),
    facts({ id: "soon", trust: ejected(NOW + 10_000) }),
    facts({ id: "later", trust: ejected(NOW + 90_000) }),
  ];
  expect(pick(nodes)).toBe("soon");
  expect(pick(nodes, "soon")).toBe("late");
  expect(pick(nodes, "soon", "late", "later")).toBe("none");
});

test("what takes no slot asks a node that rests, ejected or not, and waits once it was turned away", () => {
  const needs = { ...placement().needs, slot: false };
  for (const trust of [newcomer(0), ejected()]) {
    const node = facts({ trust, restingUntil: NOW + 1, reserved: 4 });
    const kindAt = (accepted: boolean, now: number) =>
      choose([node], { ...placement(), needs, accepted }, now, LIMITS).kind;
    expect([kindAt(false, NOW), kindAt(true, NOW), kindAt(true, NOW + 1)]).toEqual(["node", "wait", "node"]);
  }
});

test("an ejected node is no last resort while a healthy one will have room soon", () => {
  expect(pick([facts({ id: "ejected", trust: ejected() }), facts({ id: "full", reserved: 4 })])).toBe("wait");
});

test.each<[state: string, changes: Partial<NodeFacts>]>([
  ["is full", { reserved: 4 }],
  ["rests", { restingUntil: NOW + 1 }],
])("when the only node is ejected and %s, a request waits for it", (_, changes) => {
  expect(pick([facts({ trust: ejected(), ...changes })])).toBe("wait");
});

test.each<[state: string, changes: Partial<NodeFacts>]>([
  ["is draining", { intent: "draining" }],
  ["has no Ollama", { ollamaOk: false }],
  ["is offline", { lastHeardAt: NOW - 90_000 }],
])("an ejected node that %s is no last resort", (_, changes) => {
  expect(pick([facts({ trust: ejected(), ...changes })])).toBe("none");
});

test("a node on trial is used beyond its one request when nobody else could serve, before an ejected one", () => {
  const nodes = [facts({ id: "ejected", trust: ejected() }), facts({ id: "trial", trust: onTrial, reserved: 2 })];
  expect(pick(nodes)).toBe("trial");
});

test("a CPU load that differs by noise decides nothing", () => {
  expect(pick([facts({ id: "first", cpu: 0.24, lastPicked: 1 }), facts({ id: "b", cpu: 0.16, lastPicked: 2 })])).toBe(
    "first",
  );
});

test("equal nodes take turns, exactly evenly", () => {
  const picks = { a: 0, b: 0, c: 0 };
  let nodes = (["a", "b", "c"] as const).map((id, index) => facts({ id, lastPicked: index }));
  for (let round = 3; round < 303; round++) {
    const id = pick(nodes) as keyof typeof picks;
    picks[id]++;
    nodes = nodes.map((node) => (node.id === id ? { ...node, lastPicked: round } : node));
  }
  expect(picks).toEqual({ a: 100, b: 100, c: 100 });
});

test("running work spreads by slots: twice the slots, twice the work", () => {
  const running = { small: 0, large: 0 };
  for (let job = 0; job < 12; job++) {
    const id = pick([
      facts({ id: "small", slots: 4, reserved: running.small, lastPicked: 0 }),
      facts({ id: "large", slots: 8, reserved: running.large, lastPicked: 1 }),
    ]) as keyof typeof running;
    running[id]++;
  }
  expect(running).toEqual({ small: 4, large: 8 });
});

test("a node whose memory the model did not fit is tried again rather than nobody, and after everybody else", () => {
  const tooSmall = facts({ id: "small", unfit: new Map([[MODEL, NOW + 1]]) });
  expect(pick([tooSmall])).toBe("small");
  expect(pick([tooSmall, facts({ id: "sick", trust: ejected() })])).toBe("sick");
  expect(pick([tooSmall, facts({ id: "full", reserved: 4 })])).toBe("wait");
});

const sometimes = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(usual) }, fc.constantFrom(...others));
const anyFacts: fc.Arbitrary<NodeFacts> = fc
  .record({
    lastHeardAt: fc.constantFrom(NOW, NOW - 59_999, NOW - 60_000, NOW - 89_999, NOW - 90_000, NOW - 200_000),
    trust: fc.oneof(
      fc.nat(2).map((count) => failures(count).trust),
      fc.constant(onTrial),
      fc.nat(3).map((step) => ejected(NOW + step * 10_000)),
    ),
    intent: sometimes<NodeFacts["intent"]>("serving", "draining", "left"),
    ollamaOk: sometimes(true, false),
    dialable: sometimes(true, false),
    models: sometimes(new Set([MODEL, OTHER]), new Set([MODEL]), new Set([OTHER])),
    loaded: sometimes(new Set<string>(), new Set([MODEL])),
    disbelieved: sometimes(new Map<string, number>(), new Map([[MODEL, NOW + 1]])),
    unfit: sometimes(new Map<string, number>(), new Map([[MODEL, NOW + 1]])),
    restingUntil: sometimes(0, NOW, NOW + 1),
    reserved: fc.nat(4),
    slots: fc.integer({ min: 1, max: 8 }),
    cpu: fc.constantFrom(0, 0.1, 0.5, 1),
    lastPicked: fc.nat(5),
  })
  .map((changes) => facts(changes));
const fleet = fc.array(anyFacts, { maxLength: 8 }).map((nodes) => nodes.map((node, id) => ({ ...node, id: `n${id}` })));
const tried = fc.uniqueArray(fc.constantFrom("n0", "n1", "n2", "n3"));

test("whatever the fleet, the choice is one of the best that may serve, else a wait, else the first ejection to end", () => {
  fc.assert(
    fc.property(fleet, tried, (nodes, ids) => {
      const request = placement(...ids);
      const choice = choose(nodes, request, NOW, LIMITS);
      const judged = nodes.map((node) => ({ node, reason: whyNot(node, request, NOW, LIMITS) }));
      const eligible = judged.filter(({ reason }) => reason === null).map(({ node }) => node);
      if (eligible.length > 0) {
        if (choice.kind !== "node") throw new Error(`${choice.kind}, though a node may serve`);
        expect(eligible).toContain(choice.node);
        for (const other of eligible) {
          expect(compare(choice.node, other, request, NOW, LIMITS)).toBeLessThanOrEqual(0);
        }
        return;
      }
      const doubtful = (reason: string | null) =>
        reason === "ejected" || reason === "on trial, busy" || reason === "model does not fit";
      const doubt = ({ trust, unfit }: NodeFacts) => {
        if (unfit.has(MODEL)) return Number.POSITIVE_INFINITY;
        return trust.kind === "ejected" ? trust.until : 0;
      };
      if (judged.some(({ reason }) => reason !== null && passesSoon(reason) && !doubtful(reason))) {
        expect(choice.kind).toBe("wait");
        return;
      }
      const usable = judged.filter(
        ({ node, reason }) => doubtful(reason) && node.reserved < node.slots && node.restingUntil <= NOW,
      );
      if (choice.kind === "node") {
        expect(usable.map(({ node }) => node)).toContain(choice.node);
        expect(doubt(choice.node)).toBe(Math.min(...usable.map(({ node }) => doubt(node))));
      } else {
        expect(usable).toEqual([]);
        expect(choice.kind).toBe(judged.some(({ reason }) => doubtful(reason)) ? "wait" : "none");
      }
    }),
    { numRuns: 1000 },
  );
});

test("the comparison is antisymmetric", () => {
  fc.assert(
    fc.property(anyFacts, anyFacts, (a, b) => {
      const forth = compare(a, b, placement(), NOW, LIMITS);
      const back = compare(b, a, placement(), NOW, LIMITS);
      expect(Math.sign(forth) + Math.sign(back)).toBe(0);
    }),
    { numRuns: 1000 },
  );
});

test("the comparison is transitive", () => {
  fc.assert(
    fc.property(anyFacts, anyFacts, anyFacts, (a, b, c) => {
      const notAfter = (x: NodeFacts, y: NodeFacts) => compare(x, y, placement(), NOW, LIMITS) <= 0;
      if (notAfter(a, b) && notAfter(b, c)) expect(notAfter(a, c)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

/** Nodes on which MODEL's first token takes a second and its load ten, where another model leaves for it. */
const measured = (id: string, changes: Partial<NodeFacts> = {}) =>
  facts({
    id,
    knowsLoaded: true,
    sizes: new Map([[MODEL, 5e9]]),
    pace: {
      ...UNKNOWN_PACE,
      firstToken: new Map([[MODEL, { value: 1000, count: 9, at: NOW }]]),
      load: { value: 500_000, count: 1 },
      overflow: 10e9,
    },
    ...changes,
  });
const warm = (id: string, changes: Partial<NodeFacts> = {}) => measured(id, { loaded: new Set([MODEL]), ...changes });
const inPlace = (id: string) => measured(id, { loaded: new Set([OTHER]) });
const expected = { firstTokenMs: 1000, loadSpeed: 500_000, serviceMs: 8000 };

test.each<[what: string, picked: string, nodes: NodeFacts[], waiting: number]>([
  [
    "one has it in memory and is busy, another would have to load it",
    "warm",
    [inPlace("b"), warm("warm", { reserved: 3 })],
    0,
  ],
  [
    "the one that has it in memory is full, another would lose a model",
    "wait",
    [inPlace("b"), warm("warm", { reserved: 4 })],
    0,
  ],
  ["the same, and so many wait that a load is sooner", "b", [inPlace("b"), warm("warm", { reserved: 4 })], 20],
  ["the one that has it in memory is full, another has room", "b", [measured("b"), warm("warm", { reserved: 4 })], 0],
])("with measured first tokens, when %s: %s", (_, picked, nodes, waiting) => {
  const choice = choose(nodes, { ...placement(), expected, waiting }, NOW, LIMITS);
  expect(choice.kind === "node" ? choice.node.id : choice.kind).toBe(picked);
});
