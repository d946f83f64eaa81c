/** Which of the nodes that may serve a request gets it: one comparison, first difference wins. */
import { type Load, withoutNeedlessLoads } from "./cold_start.ts";
import { isLoading, type NodeFacts, type Placement, passesSoon, whyNot } from "./eligibility.ts";
import { type LivenessLimits, livenessOf } from "./liveness.ts";
import { busyness, slotsAt } from "./ramp.ts";

export type Choice<Node extends NodeFacts> =
  | { readonly kind: "node"; readonly node: Node }
  /** Nodes could serve it, but not now. */
  | { readonly kind: "wait" }
  /** No node will serve it. */
  | { readonly kind: "none" };

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
  // Looked at twice, and a Map's values can be gone through only once.
  const all = Array.from(nodes);
  if (request.digest !== null) {
    const same = all.filter((node) => hasDigest(node, request));
    const { best, worthWaiting } = survey(same, request, now, limits);
    if (best) return { kind: "node", node: best };
    if (worthWaiting) return { kind: "wait" };
  }
  const { best, worthWaiting, lastResort, doubtfulAndFull } = survey(all, request, now, limits);
  if (best) return { kind: "node", node: best };
  if (worthWaiting) return { kind: "wait" };
  if (lastResort) return { kind: "node", node: lastResort };
  return { kind: doubtfulAndFull ? "wait" : "none" };
}

interface Survey<Node> {
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
    } else if (passesSoon(reason)) {
      worthWaiting = true;
    } else {
      continue;
    }
    if (isLoading(node, request.model)) loads.push({ waiting: node.starting.get(request.model) ?? 0 });
  }
  const candidates = withoutNeedlessLoads(eligible, loads, request);
  if (candidates.length < eligible.length) worthWaiting = true;
  let best: Node | undefined;
  for (const node of candidates) {
    if (!best || compare(node, best, request, now, limits) < 0) best = node;
  }
  return { best, worthWaiting, lastResort, doubtfulAndFull };
}

function hasDigest(node: NodeFacts, { model, digest }: Placement): boolean {
  const known = node.digests.get(model);
  return known === undefined || known === digest;
}

/**
 * Negative when `a` goes before `b`. Fresh before stale; fewest active jobs per slot; model in memory; lower CPU; fewer
 * recent failures; the one picked longest ago. Jobs, CPU and failures are the user's own order. The hub's own count
 * comes before the reported CPU: a heartbeat is up to 30 s old, and deciding by it herds work onto one node.
 */
export function compare(a: NodeFacts, b: NodeFacts, request: Placement, now: number, limits: LivenessLimits): number {
  return (
    staleness(a, now, limits) - staleness(b, now, limits) ||
    busyness(a, now) - busyness(b, now) ||
    Number(b.loaded.has(request.model)) - Number(a.loaded.has(request.model)) ||
    coarse(a.cpu) - coarse(b.cpu) ||
    a.trust.failures - b.trust.failures ||
    a.lastPicked - b.lastPicked
  );
}

/** CPU load in steps of ten per cent: less is noise, and would send everything to one of two equal machines for 30 s. */
function coarse(cpu: number): number {
  return Math.round(cpu * 10);
}

function staleness(node: NodeFacts, now: number, limits: LivenessLimits): number {
  return livenessOf(now - node.lastHeardAt, limits) === "fresh" ? 0 : 1;
}

function hasRoom(node: NodeFacts, now: number): boolean {
  return node.reserved < slotsAt(node, now) && now >= node.restingUntil;
}

/** How little is hoped of a node that is used rather than refuse: least on trial, most where the model did not fit. */
function doubt(node: NodeFacts, { model }: Placement, now: number): number {
  if (now < (node.unfit.get(model) ?? 0)) return Number.POSITIVE_INFINITY;
  return node.trust.kind === "ejected" ? node.trust.until : Number.NEGATIVE_INFINITY;
}
