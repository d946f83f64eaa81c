/** Which of the nodes that may serve a request gets it: one comparison, first difference wins. */
import { type Load, withoutNeedlessLoads } from "./cold_start.ts";
import { compare } from "./criteria.ts";
import { isLoading, type NodeFacts, type Placement, whyNot, worthWaitingFor } from "./eligibility.ts";
import { withoutLaterThanWaiting } from "./first_token.ts";
import type { LivenessLimits } from "./liveness.ts";

export type Choice<Node extends NodeFacts> =
  | { readonly kind: "node"; readonly node: Node }
  /** Nodes could serve it, but not now. */
  | { readonly kind: "wait" }
  /** No node will serve it. */
  | { readonly kind: "none" };

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
  /** The same and those of which a first token is expected later than from a full node: it waits for that one. */
  readonly competing: readonly Node[];
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
    const { best, worthWaiting, candidates, competing } = survey(same, request, now, limits);
    if (best || worthWaiting) {
      const choice: Choice<Node> = best ? { kind: "node", node: best } : { kind: "wait" };
      return { choice, nodes, request, now, limits, candidates, competing, sameDigestOnly: true };
    }
  }
  const found = survey(nodes, request, now, limits);
  const { candidates, competing } = found;
  return { choice: choiceOf(found), nodes, request, now, limits, candidates, competing, sameDigestOnly: false };
}

function choiceOf<Node extends NodeFacts>(found: Survey<Node>): Choice<Node> {
  const { best, worthWaiting, lastResort, doubtfulAndFull } = found;
  if (best) return { kind: "node", node: best };
  if (worthWaiting) return { kind: "wait" };
  if (lastResort) return { kind: "node", node: lastResort };
  return { kind: doubtfulAndFull ? "wait" : "none" };
}

interface Survey<Node> {
  readonly competing: readonly Node[];
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
  const full: Node[] = [];
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
      if (reason === "full") full.push(node);
    } else {
      continue;
    }
    if (isLoading(node, request.model)) loads.push(loadAt(node, request, now));
  }
  const competing = request.policy === "least-busy" ? eligible : withoutNeedlessLoads(eligible, loads, request);
  const candidates = withoutLaterThanWaiting(competing, full, request, now);
  if (candidates.length < eligible.length) worthWaiting = true;
  let best: Node | undefined;
  for (const node of candidates) {
    if (!best || compare(node, best, request, now, limits) < 0) best = node;
  }
  return { competing, candidates, best, worthWaiting, lastResort, doubtfulAndFull };
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
