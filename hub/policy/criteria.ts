/** By what nodes that may serve a request are compared: two orders, of which `LB_POLICY` chooses one. */
import type { NodeFacts, Placement } from "./eligibility.ts";
import { firstTokenStep, isBehindStep } from "./first_token.ts";
import type { LivenessLimits } from "./liveness.ts";
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
  /** Tells of a node whether its value is above `value`, where that can be told sooner; false tells nothing. */
  isBehind?(value: number, request: Placement): (node: NodeFacts) => boolean;
}

const HEARTBEAT: Criterion = {
  name: "heartbeat",
  meaning: "Heard from lately, before silent for a while",
  value: (node, _, now, limits) => (isFresh(node, now, limits) ? 0 : 1),
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
      isBehind: isBehindStep,
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
      value: (node) => cpuStep(node.cpu),
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

/** True for a node that was heard from lately. */
export function isFresh({ lastHeardAt }: Pick<NodeFacts, "lastHeardAt">, now: number, limits: LivenessLimits): boolean {
  return now - lastHeardAt < limits.staleMs;
}

/** A load of 0 to 1 in steps of a tenth: less is noise, and would send everything to one of two equal machines for 30 s. */
export function cpuStep(cpu: number): number {
  return Math.round(cpu * 10);
}

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

/**
 * Tells of a node whether it goes before `rival`. What `rival` is compared by is worked out once, and of the other no more
 * than decides: of ten thousand most differ early.
 */
export function beating(rival: NodeFacts, request: Placement, now: number, limits: LivenessLimits) {
  const criteria = criteriaFor(request);
  const values: number[] = [];
  const valueOfRival = (index: number, criterion: Criterion) => {
    values[index] ??= criterion.value(rival, request, now, limits);
    return values[index];
  };
  // Nobody goes before one that was heard from lately for having been heard from.
  const [heartbeat, next] = criteria;
  const isFresh = heartbeat !== undefined && valueOfRival(0, heartbeat) === 0;
  const isBehind = isFresh && next?.isBehind ? next.isBehind(valueOfRival(1, next), request) : () => false;
  return (node: NodeFacts): boolean => {
    if (isBehind(node)) return false;
    for (let index = 0; index < criteria.length; index++) {
      const criterion = criteria[index];
      if (!criterion) break;
      const difference = criterion.value(node, request, now, limits) - valueOfRival(index, criterion);
      if (difference !== 0) return difference < 0;
    }
    return false;
  };
}

/** The one of `nodes` that goes before all others, the first of equal ones; undefined where there is none. */
export function bestOf<Node extends NodeFacts>(
  nodes: readonly Node[],
  request: Placement,
  now: number,
  limits: LivenessLimits,
): Node | undefined {
  let [best] = nodes;
  if (!best) return undefined;
  let beatsBest = beating(best, request, now, limits);
  for (const node of nodes) {
    if (node === best || !beatsBest(node)) continue;
    best = node;
    beatsBest = beating(best, request, now, limits);
  }
  return best;
}
