/** Which of the nodes that may serve a request gets it: one comparison, first difference wins. */
import { type Load, withoutNeedlessLoads } from "./cold_start.ts";
import { isLoading, type NodeFacts, type Placement, whyNot, worthWaitingFor } from "./eligibility.ts";
import { type LivenessLimits, livenessOf } from "./liveness.ts";
import { busyness } from "./ramp.ts";

export type Choice<Node extends NodeFacts> =
  | { readonly kind: "node"; readonly node: Node }
  /** Nodes could serve it, but not now. */
  | { readonly kind: "wait" }
  /** No node will serve it. */
  | { readonly kind: "none" };

/** One thing by which two nodes are compared. */
export interface Criterion {
  readonly name: "heartbeat" | "busy" | "in memory" | "cpu" | "failures" | "longest ago";
  /** For people: who goes first. */
  readonly meaning: string;
  /** The lowest goes first. */
  value(node: NodeFacts, request: Placement, now: number, limits: LivenessLimits): number;
}

/**
 * The order among nodes that may serve: the first criterion in which two differ decides. Jobs, CPU and failures are the
 * user's own. The hub's own count comes before the reported CPU: a heartbeat is up to 30 s old, and deciding by it herds
 * work onto one node.
 */
export const CRITERIA: readonly [Criterion, Criterion, Criterion, Criterion, Criterion, Criterion] = [
  {
    name: "heartbeat",
    meaning: "Heard from lately, before silent for a while",
    value: (node, _, now, limits) => (livenessOf(now - node.lastHeardAt, limits) === "fresh" ? 0 : 1),
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
  { name: "failures", meaning: "Fewest failures in a row", value: (node) => node.trust.failures },
  { name: "longest ago", meaning: "Given a request longest ago", value: (node) => node.lastPicked },
];

/** A load of 0 to 1 in steps of a tenth: less is noise, and would send everything to one of two equal machines for 30 s. */
export function cpuStep(cpu: number): number {
  return Math.round(cpu * 10);
}

/** By name, not in a loop: called so, each is compiled into `compare`, which is measurably faster (half again as fast). */
const [first, second, third, fourth, fifth, sixth] = CRITERIA;

/** Negative when `a` goes before `b`, by the first of CRITERIA in which they differ. */
export function compare(a: NodeFacts, b: NodeFacts, request: Placement, now: number, limits: LivenessLimits): number {
  return (
    first.value(a, request, now, limits) - first.value(b, request, now, limits) ||
    second.value(a, request, now, limits) - second.value(b, request, now, limits) ||
    third.value(a, request, now, limits) - third.value(b, request, now, limits) ||
    fourth.value(a, request, now, limits) - fourth.value(b, request, now, limits) ||
    fifth.value(a, request, now, limits) - fifth.value(b, request, now, limits) ||
    sixth.value(a, request, now, limits) - sixth.value(b, request, now, limits)
  );
}

/** A look at the fleet for one request: what came of it, and what it came from. */
export interface Look<Node extends NodeFacts> {
  readonly choice: Choice<Node>;
  readonly nodes: readonly Node[];
  readonly request: Placement;
  /** Monotonic. */
  readonly now: number;
  readonly limits: LivenessLimits;
  /** Those that may serve the request and compete for it: some that may can have been held back. */
  readonly candidates: readonly Node[];
  /** True when nodes with another manifest than `request.digest` were held back. */
  readonly sameDigestOnly: boolean;
}

/**
 * Picks the node for `request` at monotonic `now`: the best eligible one; else wait when one will be free soon; else,
 * rather than refuse, one on trial beyond its one request, or the ejected one whose ejection ends first, or one whose memory
 * the model did not fit a while ago: somebody may have made room. A node with
 * another manifest under the model's name than `request.digest` is picked only when none with that one will serve.
 */
export function choose<Node extends NodeFacts>(
  nodes: Iterable<Node>,
  request: Placement,
  now: number,
  limits: LivenessLimits,
): Choice<Node> {
  return look(nodes, request, now, limits).choice;
}

/** The same as `choose`, with what the choice was made from. */
export function look<Node extends NodeFacts>(
  fleet: Iterable<Node>,
  request: Placement,
  now: number,
  limits: LivenessLimits,
): Look<Node> {
  // Looked at twice, and a Map's values can be gone through only once.
  const nodes = Array.from(fleet);
  if (request.digest !== null) {
    const same = nodes.filter((node) => hasDigest(node, request));
    const { best, worthWaiting, candidates } = survey(same, request, now, limits);
    if (best || worthWaiting) {
      const choice: Choice<Node> = best ? { kind: "node", node: best } : { kind: "wait" };
      return { choice, nodes, request, now, limits, candidates, sameDigestOnly: true };
    }
  }
  const found = survey(nodes, request, now, limits);
  const { candidates } = found;
  return { choice: choiceOf(found), nodes, request, now, limits, candidates, sameDigestOnly: false };
}

function choiceOf<Node extends NodeFacts>(found: Survey<Node>): Choice<Node> {
  const { best, worthWaiting, lastResort, doubtfulAndFull } = found;
  if (best) return { kind: "node", node: best };
  if (worthWaiting) return { kind: "wait" };
  if (lastResort) return { kind: "node", node: lastResort };
  return { kind: doubtfulAndFull ? "wait" : "none" };
}

interface Survey<Node> {
  readonly candidates: readonly Node[];
  readonly best: Node | undefined;
  readonly worthWaiting: boolean;
  /** Used rather than refuse: not trusted at the moment. */
  readonly lastResort: Node | undefined;
  readonly doubtfulAndFull: boolean;
}

function survey<Node extends NodeFacts>(
  nodes: Iterable<Node>,
  request: Placement,
  now: number,
  limits: LivenessLimits,
): Survey<Node> {
  const eligible: Node[] = [];
  const loads: Load[] = [];
  let lastResort: Node | undefined;
  let worthWaiting = false;
  let doubtfulAndFull = false;
  for (const node of nodes) {
    const reason = whyNot(node, request, now, limits);
    if (reason === null) {
      eligible.push(node);
    } else if (reason === "ejected" || reason === "on trial, busy" || reason === "model does not fit") {
      if (request.needs.slot && !hasRoom(node, now)) doubtfulAndFull = true;
      else if (!lastResort || doubt(node, request, now) < doubt(lastResort, request, now)) lastResort = node;
      continue;
    } else if (worthWaitingFor(node, reason, request, now)) {
      worthWaiting = true;
    } else {
      continue;
    }
    if (isLoading(node, request.model)) loads.push(loadAt(node, request, now));
  }
  const candidates = withoutNeedlessLoads(eligible, loads, request);
  if (candidates.length < eligible.length) worthWaiting = true;
  let best: Node | undefined;
  for (const node of candidates) {
    if (!best || compare(node, best, request, now, limits) < 0) best = node;
  }
  return { candidates, best, worthWaiting, lastResort, doubtfulAndFull };
}

function loadAt(node: NodeFacts, { model }: Placement, now: number): Load {
  return { waiting: node.starting.get(model) ?? 0, ms: now - (node.loadingSince.get(model) ?? now) };
}

/** False for a node known to have another manifest than the one that should answer. */
export function hasDigest(node: NodeFacts, { model, digest }: Placement): boolean {
  const known = node.digests.get(model);
  return known === undefined || known === digest;
}

function hasRoom(node: NodeFacts, now: number): boolean {
  return node.reserved < node.slots && now >= node.restingUntil;
}

/** How little is hoped of a node that is used rather than refuse: least on trial, most where the model did not fit. */
function doubt(node: NodeFacts, { model }: Placement, now: number): number {
  if (now < (node.unfit.get(model) ?? 0)) return Number.POSITIVE_INFINITY;
  return node.trust.kind === "ejected" ? node.trust.until : Number.NEGATIVE_INFINITY;
}
