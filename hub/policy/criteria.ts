/** By what nodes that may serve a request are compared: two orders, of which `LB_POLICY` chooses one. */
import type { NodeFacts, Placement } from "./eligibility.ts";
import { firstTokenStep, leastFirstTokenStep } from "./first_token.ts";
import { type LivenessLimits, livenessOf } from "./liveness.ts";
import { busyness } from "./ramp.ts";

/**
 * `first-token` asks where the first token is expected soonest. `least-busy` is the order of the user's earlier system to
 * the letter: active jobs, CPU, failures, and nobody is held back for a load or for a node that is full.
 */
export const LB_POLICIES = ["first-token", "least-busy"] as const;

export type LbPolicy = (typeof LB_POLICIES)[number];

/** One thing by which two nodes are compared. */
export interface Criterion {
  readonly name:
    | "heartbeat"
    | "first token"
    | "busy"
    | "in memory"
    | "cpu"
    | "failures"
    | "longest ago"
    | "jobs"
    | "joined";
  /** For people: who goes first. */
  readonly meaning: string;
  /** The lowest goes first. */
  value(node: NodeFacts, request: Placement, now: number, limits: LivenessLimits): number;
  /** No more than the value, and told sooner. */
  least?(node: NodeFacts, request: Placement): number;
}

const HEARTBEAT: Criterion = {
  name: "heartbeat",
  meaning: "Heard from lately, before silent for a while",
  value: (node, _, now, limits) => (livenessOf(now - node.lastHeardAt, limits) === "fresh" ? 0 : 1),
};

const FAILURES: Criterion = {
  name: "failures",
  meaning: "Fewest failures in a row",
  value: (node) => node.trust.failures,
};

/**
 * The order among nodes that may serve, by policy: the first criterion in which two differ decides. Where first tokens
 * are expected equally soon, jobs, CPU and failures decide, as the user has it; the hub's own count comes before the
 * reported CPU, since a heartbeat is up to 30 s old, and deciding by it herds work onto one node.
 */
export const CRITERIA: Readonly<Record<LbPolicy, readonly Criterion[]>> = {
  "first-token": [
    HEARTBEAT,
    {
      name: "first token",
      meaning:
        "First token expected soonest, in steps of a quarter: by its speed, the requests at work there, its load",
      value: firstTokenStep,
      least: leastFirstTokenStep,
    },
    { name: "busy", meaning: "Fewest requests at work for each slot", value: (node, _, now) => busyness(node, now) },
    {
      name: "in memory",
      meaning: "Has the model in memory",
      value: (node, request) => (node.loaded.has(request.model) ? 0 : 1),
    },
    {
      name: "cpu",
      meaning: "Lowest CPU load, in steps of ten per cent",
      // Less is noise, and would send everything to one of two equal machines for 30 s.
      value: (node) => Math.round(node.cpu * 10),
    },
    FAILURES,
    { name: "longest ago", meaning: "Given a request longest ago", value: (node) => node.lastPicked },
  ],
  "least-busy": [
    HEARTBEAT,
    { name: "jobs", meaning: "Fewest requests at work", value: (node) => node.reserved },
    { name: "cpu", meaning: "Lowest CPU load", value: (node) => node.cpu },
    FAILURES,
    { name: "joined", meaning: "Joined first", value: (node) => node.joined },
  ],
};

/** The criteria that decide about `request`. */
export function criteriaFor({ policy = "first-token" }: Pick<Placement, "policy">): readonly Criterion[] {
  return CRITERIA[policy];
}

/** Negative when `a` goes before `b`, by the first of the criteria in which they differ. */
export function compare(a: NodeFacts, b: NodeFacts, request: Placement, now: number, limits: LivenessLimits): number {
  for (const { value } of criteriaFor(request)) {
    const difference = value(a, request, now, limits) - value(b, request, now, limits);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The one of `nodes` that goes before all others, the first of equal ones; undefined where there is none. */
export function bestOf<Node extends NodeFacts>(
  nodes: readonly Node[],
  request: Placement,
  now: number,
  limits: LivenessLimits,
): Node | undefined {
  const criteria = criteriaFor(request);
  let [best] = nodes;
  /** The values of `best`, as far as another one was like it. */
  const values: number[] = [];
  const valueOfBest = (index: number) => {
    values[index] ??= best ? (criteria[index]?.value(best, request, now, limits) ?? 0) : 0;
    return values[index];
  };
  for (const node of nodes) {
    if (node === best) continue;
    for (let index = 0; index < criteria.length; index++) {
      const criterion = criteria[index];
      if (!criterion || (criterion.least && criterion.least(node, request) > valueOfBest(index))) break;
      const value = criterion.value(node, request, now, limits);
      const difference = value - valueOfBest(index);
      if (difference > 0) break;
      if (difference === 0) continue;
      best = node;
      values.length = index;
      values.push(value);
      break;
    }
  }
  return best;
}
