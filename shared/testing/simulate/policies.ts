/** The policies that are compared: what others do, what this hub does, and one that knows everything. */
import type { NodeRecord } from "../../../hub/fleet/node_record.ts";
import { type Placement, whyNot } from "../../../hub/policy/eligibility.ts";
import { type Choice, choose } from "../../../hub/policy/selection.ts";
import { LIMITS } from "../../../hub/testing/node_facts.ts";
import { loadMs, type Machine, type Work } from "./machine.ts";
import type { Fleet } from "./run.ts";

export interface Policy {
  readonly name: string;
  /** For the document, in a sentence. */
  readonly rule: string;
  open(fleet: Fleet): OpenPolicy;
}

/** A policy at work, with what it has learned. */
export interface OpenPolicy {
  /** Whether requests wait in the hub; else all are sent at once and wait inside the nodes' Ollamas. */
  readonly queues: boolean;
  choose(request: Placement, work: Work): Choice<NodeRecord>;
}

/** Those that have the model and are there, full or not: nginx and the user's program know nothing of slots. */
function healthy({ registry, clock }: Fleet, request: Placement): NodeRecord[] {
  const now = clock.now();
  return Array.from(registry.all()).filter((node) => {
    const reason = whyNot(node, request, now, LIMITS);
    return reason === null || reason === "full";
  });
}

const found = (node: NodeRecord | undefined): Choice<NodeRecord> => (node ? { kind: "node", node } : { kind: "none" });

/** Sends at once, to the best of those that are there by `compare`; equal ones by what `among` says. */
function atOnce(
  name: string,
  rule: string,
  compare: (a: NodeRecord, b: NodeRecord) => number,
  among: (nodes: readonly NodeRecord[], fleet: Fleet) => NodeRecord | undefined,
): Policy {
  return {
    name,
    rule,
    open: (fleet) => ({
      queues: false,
      choose(request) {
        const nodes = healthy(fleet, request).sort(compare);
        const [best] = nodes;
        return found(
          best &&
            among(
              nodes.filter((node) => compare(node, best) === 0),
              fleet,
            ),
        );
      },
    }),
  };
}

const longestAgo = (nodes: readonly NodeRecord[]) => nodes.toSorted((a, b) => a.lastPicked - b.lastPicked).at(0);

const RANDOM = atOnce(
  "random",
  "Any machine that has the model.",
  () => 0,
  (nodes, { random }) => nodes[Math.floor(random() * nodes.length)],
);

const ROUND_ROBIN = atOnce("round robin", "The one given a request longest ago.", () => 0, longestAgo);

export const LEAST_CONNECTIONS = atOnce(
  "least connections",
  "nginx's `least_conn` over the machines that have the model: fewest requests, in turn among equals.",
  (a, b) => a.reserved - b.reserved,
  longestAgo,
);

export const USERS_ORDER = atOnce(
  "user's order",
  "Fewest active jobs, then lowest reported CPU, then fewest failures, then the first that joined; no queue in the hub.",
  (a, b) => a.reserved - b.reserved || a.cpu - b.cpu || a.trust.failures - b.trust.failures,
  (nodes) => nodes[0],
);

export const THIS_HUB: Policy = {
  name: "this hub",
  rule:
    "The hub as it is (`LB_POLICY=first-token`), its waiting room included. The expected first token comes second in its order: " +
    "what was measured of the node for this model, times one more than the requests at work there, half of it where the " +
    "conversation's last turn was answered, and the load if it has to load: a fifth of it where there is room, three times " +
    "where another model has to leave. A full node is waited for while it is expected sooner than any free one, up to a " +
    "quarter of the time a request may wait. Half of what a node was slower than the fastest is forgotten in two " +
    "to four minutes without a new measure.",
  open: ({ registry, clock }) => ({
    queues: true,
    choose: (request) => choose(registry.all(), request, clock.now(), LIMITS),
  }),
};

export const LEAST_BUSY: Policy = {
  name: "least-busy",
  rule: "The hub with `LB_POLICY=least-busy`: the user's order, among nodes that have a free slot; else the request waits.",
  open: ({ registry, clock }) => ({
    queues: true,
    choose: (request) =>
      choose(registry.all(), { ...request, policy: "least-busy", expected: null }, clock.now(), LIMITS),
  }),
};

const WITHOUT_FIRST_TOKENS: Policy = {
  name: "hub, not measuring",
  rule: "`first-token` as long as nothing was measured: jobs per slot decide, then what is in memory.",
  open: ({ registry, clock }) => ({
    queues: true,
    choose: (request) => choose(registry.all(), { ...request, expected: null }, clock.now(), LIMITS),
  }),
};

const ORACLE: Policy = {
  name: "oracle",
  rule:
    "Knows all lengths and speeds and what every Ollama is doing: plays each machine forward with the request and without " +
    "it, and takes the one where its own first token and the delay of the first tokens of those already there are least " +
    "together, a model that had to leave counting with twice its load and one that came with four fifths of it less. It " +
    "sends at once and does not know what comes later, so it is no bound.",
  open: (fleet) => ({
    queues: false,
    choose(request, work) {
      const now = fleet.clock.now();
      let best: NodeRecord | undefined;
      let least = Number.POSITIVE_INFINITY;
      for (const node of healthy(fleet, request)) {
        const machine = fleet.machines.get(node.id);
        if (!machine) continue;
        const cost = costOf(machine, work, now);
        if (cost < least) [best, least] = [node, cost];
      }
      return found(best);
    },
  }),
};

/** Milliseconds of first tokens and of loads to come that giving `work` to `machine` costs. */
function costOf(machine: Machine, work: Work, now: number): number {
  const without = playOn(machine, now, null);
  const having = playOn(machine, now, work);
  let cost = having.firstTokensMs - without.firstTokensMs;
  for (const model of machine.spec.models) {
    const change = Number(without.loaded.has(model.name)) - Number(having.loaded.has(model.name));
    cost += change * loadMs(machine.spec, model) * (change > 0 ? MISSED : KEPT);
  }
  return cost;
}

/** Parts of a load's time for which a model counts that is in memory no more, or now. Those that did best here. */
const MISSED = 2;
const KEPT = 0.8;

/** What becomes of `machine` until all that it has, and `work`, have had their first tokens. */
function playOn(machine: Machine, now: number, work: Work | null) {
  let firstTokensMs = 0;
  let awaited = machine.withoutFirstToken + (work ? 1 : 0);
  let at = now;
  const copy = machine.copy({
    firstToken: () => {
      firstTokensMs += at - now;
      awaited--;
    },
    ended() {},
  });
  if (work) copy.submit(work, now);
  for (let next = copy.nextAt(); awaited > 0 && next !== null; next = copy.nextAt()) {
    at = next;
    copy.advance(next);
  }
  return { firstTokensMs, loaded: new Set(copy.loaded()) };
}

const BASELINES: readonly Policy[] = [RANDOM, ROUND_ROBIN, LEAST_CONNECTIONS, USERS_ORDER];
export const POLICIES: readonly Policy[] = [...BASELINES, LEAST_BUSY, WITHOUT_FIRST_TOKENS, THIS_HUB, ORACLE];
