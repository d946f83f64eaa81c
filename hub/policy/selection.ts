/** Which of the nodes that may serve a request gets it: one comparison, first difference wins. */
import { type NodeFacts, type Placement, passesSoon, whyNot } from "./eligibility.ts";
import { type LivenessLimits, livenessOf } from "./liveness.ts";

export type Choice<Node extends NodeFacts> =
  | { readonly kind: "node"; readonly node: Node }
  /** Nodes could serve it, but not now. */
  | { readonly kind: "wait" }
  /** No node will serve it. */
  | { readonly kind: "none" };

/**
 * Picks the node for `request` at monotonic `now`: the best eligible one; else wait when one will be free soon; else,
 * rather than refuse, one on trial beyond its one request, or the ejected one whose ejection ends first.
 */
export function choose<Node extends NodeFacts>(
  nodes: Iterable<Node>,
  request: Placement,
  now: number,
  limits: LivenessLimits,
): Choice<Node> {
  let best: Node | undefined;
  let lastResort: Node | undefined;
  let worthWaiting = false;
  let doubtfulAndFull = false;
  for (const node of nodes) {
    const reason = whyNot(node, request, now, limits);
    if (reason === null) {
      if (!best || compare(node, best, request, now, limits) < 0) best = node;
    } else if (reason === "ejected" || reason === "on trial, busy") {
      if (!hasRoom(node, now)) doubtfulAndFull = true;
      else if (!lastResort || ejectedUntil(node) < ejectedUntil(lastResort)) lastResort = node;
    } else if (passesSoon(reason)) {
      worthWaiting = true;
    }
  }
  if (best) return { kind: "node", node: best };
  if (worthWaiting) return { kind: "wait" };
  if (lastResort) return { kind: "node", node: lastResort };
  return { kind: doubtfulAndFull ? "wait" : "none" };
}

/**
 * Negative when `a` goes before `b`. Fresh before stale; fewest active jobs per slot; model in memory; lower CPU; fewer
 * recent failures; the one picked longest ago. Jobs, CPU and failures are the user's own order. The hub's own count
 * comes before the reported CPU: a heartbeat is up to 30 s old, and deciding by it herds work onto one node.
 */
export function compare(a: NodeFacts, b: NodeFacts, request: Placement, now: number, limits: LivenessLimits): number {
  return (
    staleness(a, now, limits) - staleness(b, now, limits) ||
    a.reserved / a.slots - b.reserved / b.slots ||
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
  return node.reserved < node.slots && now >= node.restingUntil;
}

function ejectedUntil(node: NodeFacts): number {
  return node.trust.kind === "ejected" ? node.trust.until : Number.NEGATIVE_INFINITY;
}
