/** Which of the nodes that may serve a request gets it: one comparison, first difference wins. */
import { type Load, withoutNeedlessLoads } from "./cold_start.ts";
import { bestOf } from "./criteria.ts";
import { isLoading, isUnfit, type NodeFacts, type Placement, rests, whyNot, worthWaitingFor } from "./eligibility.ts";
import { isImpatient, isInTime, latestFirstToken } from "./first_token.ts";
import type { LivenessLimits } from "./liveness.ts";

export type Choice<Node extends NodeFacts> =
  | { readonly kind: "node"; readonly node: Node }
  /** Nodes could serve it, but not now; or some could now, and others are worth waiting for: `leavesFree`. */
  | { readonly kind: "wait"; readonly leavesFree: boolean }
  /** No node will serve it. */
  | { readonly kind: "none" };

/** A look at the fleet for one request: what came of it, and what it came from. */
export interface Look<Node extends NodeFacts> {
  readonly choice: Choice<Node>;
  /** Those that were looked at. */
  readonly nodes: readonly Node[];
  /** How many they stand for, where that are more: see crowd.ts. */
  readonly sampleOf: number | null;
  readonly request: Placement;
  /** Monotonic. */
  readonly now: number;
  readonly limits: LivenessLimits;
  /** Those that may serve the request. */
  readonly eligible: readonly Node[];
  /** Those of them that are not held back for a load, */
  readonly competing: readonly Node[];
  /** but only where the first token is expected within so many milliseconds; else a full node is waited for. */
  readonly latestMs: number;
  /** True when nodes with another manifest than `request.digest` were held back. */
  readonly sameDigestOnly: boolean;
}

/**
 * Picks the node for `request` at monotonic `now`: the best eligible one; else wait when one will be free soon; else,
 * rather than refuse, one on trial beyond its one request, or the ejected one whose ejection ends first, or one whose memory
 * the model did not fit a while ago: somebody may have made room. A node with
 * another manifest under the model's name than `request.digest` is picked only when none with that one will serve, or
 * not before a request that may change it has waited for long.
 */
export function choose<Node extends NodeFacts>(
  nodes: Iterable<Node>,
  request: Placement,
  now: number,
  limits: LivenessLimits,
): Choice<Node> {
  return look(nodes, request, now, limits).choice;
}

/**
 * The same as `choose`, with what the choice was made from. Where all of `fleet` are known to have the model, `why` need not
 * look for it: `whyNotHolder`.
 */
export function look<Node extends NodeFacts>(
  fleet: Iterable<Node>,
  request: Placement,
  now: number,
  limits: LivenessLimits,
  why = whyNot,
): Look<Node> {
  // Looked at twice, and a Map's values can be gone through only once.
  const nodes: readonly Node[] = Array.isArray(fleet) ? fleet : Array.from(fleet);
  const seen = { nodes, sampleOf: null, request, now, limits };
  if (request.digest !== null) {
    const same = nodes.filter((node) => hasDigest(node, request));
    const { best, worthWaiting, lastResort, ...found } = survey(same, request, now, limits, why);
    if (best || (worthWaiting && !takesAnotherDigest(request))) {
      const eligible = nodes.filter((node) => whyNot(node, request, now, limits) === null);
      const choice: Choice<Node> = best ? { kind: "node", node: best } : wait(eligible, lastResort);
      return { ...seen, choice, ...found, eligible, sameDigestOnly: true };
    }
  }
  const found = survey(nodes, request, now, limits, why);
  const { eligible, competing, latestMs } = found;
  return { ...seen, choice: choiceOf(found, request), eligible, competing, latestMs, sameDigestOnly: false };
}

function choiceOf<Node extends NodeFacts>(found: Survey<Node>, request: Placement): Choice<Node> {
  const { eligible, best, worthWaiting, lastResort, doubtfulAndFull } = found;
  if (best) return { kind: "node", node: best };
  const waits = worthWaiting && !(request.takesLastResort && lastResort);
  if (waits) return wait(eligible, lastResort);
  if (lastResort) return { kind: "node", node: lastResort };
  return doubtfulAndFull ? wait(eligible, lastResort) : { kind: "none" };
}

/** A last resort is left free too: who is behind may be for that very node, or with options that fit there. */
function wait(eligible: readonly NodeFacts[], lastResort: NodeFacts | undefined) {
  return { kind: "wait", leavesFree: eligible.length > 0 || lastResort !== undefined } as const;
}

interface Survey<Node> {
  readonly eligible: readonly Node[];
  readonly competing: readonly Node[];
  readonly latestMs: number;
  readonly best: Node | undefined;
  /** A node will be free soon, or is and was left free for another: without a best one the request waits. */
  readonly worthWaiting: boolean;
  /** Used rather than refuse: not trusted at the moment. */
  readonly lastResort: Node | undefined;
  readonly doubtfulAndFull: boolean;
}

function survey<Node extends NodeFacts>(
  nodes: readonly Node[],
  request: Placement,
  now: number,
  limits: LivenessLimits,
  why: typeof whyNot,
): Survey<Node> {
  const eligible: Node[] = [];
  const loads: Load[] = [];
  const full: Node[] = [];
  let lastResort: Node | undefined;
  let passing = false;
  let doubtfulAndFull = false;
  for (const node of nodes) {
    const reason = why(node, request, now, limits);
    if (reason === null) {
      eligible.push(node);
    } else if (reason === "ejected" || reason === "on trial, busy" || reason === "model does not fit") {
      if (!hasRoom(node, request, now)) doubtfulAndFull = true;
      else if (!lastResort || doubt(node, request, now) < doubt(lastResort, request, now)) lastResort = node;
      continue;
    } else if (worthWaitingFor(node, reason, request, now)) {
      passing = true;
      if (reason === "full") full.push(node);
    } else {
      continue;
    }
    if (isLoading(node, request.model)) loads.push(loadAt(node, request, now));
  }
  const competing = request.policy === "least-busy" ? eligible : withoutLoads(eligible, loads, request);
  const latestMs = latestFirstToken(full, request, now);
  const inTime = (node: Node) => isInTime(node, request, now, latestMs);
  let best = bestOf(competing, request, now, limits);
  // Mostly the best of all is in time.
  if (best && !inTime(best)) best = bestOf(competing.filter(inTime), request, now, limits);
  const worthWaiting = passing || eligible.length > 0;
  return { eligible, competing, latestMs, best, worthWaiting, lastResort, doubtfulAndFull };
}

/** Those that do not start a needless load; all of them rather than none where the request may not wait much longer. */
function withoutLoads<Node extends NodeFacts>(eligible: readonly Node[], loads: readonly Load[], request: Placement) {
  const left = withoutNeedlessLoads(eligible, loads, request);
  return left.length === 0 && isImpatient(request) ? eligible : left;
}

function loadAt(node: NodeFacts, { model }: Placement, now: number): Load {
  return { waiting: node.starting.get(model) ?? 0, ms: now - (node.loadingSince.get(model) ?? now) };
}

/** True when `request` has waited for so long that another manifest answers it sooner than a refusal does. */
function takesAnotherDigest(request: Placement): boolean {
  return request.mayChangeDigest === true && isImpatient(request);
}

/** False for a node known to have another manifest than the one that should answer. */
export function hasDigest(node: NodeFacts, { model, digest }: Placement): boolean {
  const known = node.digests.get(model);
  return known === undefined || known === digest;
}

function hasRoom(node: NodeFacts, request: Placement, now: number): boolean {
  return (!request.needs.slot || node.reserved < node.slots) && !rests(node, request, now);
}

/** How little is hoped of a node that is used rather than refuse: least on trial, most where the model did not fit. */
function doubt(node: NodeFacts, request: Placement, now: number): number {
  if (isUnfit(node, request, now)) return Number.POSITIVE_INFINITY;
  return node.trust.kind === "ejected" ? node.trust.until : Number.NEGATIVE_INFINITY;
}
