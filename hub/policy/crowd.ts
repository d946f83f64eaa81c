/**
 * A look at a fleet that is too large for every request to look at every node. Of more than 512 that have the model some
 * 256 are looked at, others each time. Already the better one of two evens out the load almost as the best of all does
 * (Mitzenmacher, "The power of two choices in randomized load balancing", 2001); the best one of 256 is one of the best
 * fiftieth of all in 99 of 100 cases. Where it may change whether a request is served, or by which version of the model,
 * all are looked at; and the user's own order is kept to the letter, since the hub has it at hand.
 */
import { ANY_MODEL } from "../../shared/model_name.ts";
import { isFresh } from "./criteria.ts";
import { type NodeFacts, type Placement, whyNotHolder } from "./eligibility.ts";
import type { LivenessLimits } from "./liveness.ts";
import { hasDigest, type Look, look } from "./selection.ts";

/** The nodes that a request may look at. */
export interface Crowd<Node> {
  /** Those that have its model. */
  readonly holders: readonly Node[];
  /** Those of them that have it in memory, or on its way there. */
  readonly warm: readonly Node[];
  /** Of all nodes, whatever they have, those that have a free slot. */
  readonly free: ReadonlySet<Node>;
  /** All nodes, whatever they have, as LB_POLICY=least-busy goes through them, but for those silent for a while. */
  readonly leastBusy: () => Iterable<Node>;
  readonly named: (id: string) => Node | undefined;
  /** Rises with each request that a node was given. */
  readonly turn: number;
}

/** Nodes of which all are looked at. */
export const ALL_OF = 512;
/** Nodes of more than these that are looked at; half of them such that have the model in memory, where there are any. */
const SOME = 256;
/** Nodes that may serve which are enough of the user's order: the first gets the request, the log keeps the others. */
const FIRST = 16;
/** Steps from one turn's nodes to the next one's, as a part of all: by the golden ratio no model's requests meet only some. */
const STEP = 0.618_033_988_749_894_9;

/** As `look` at all of `crowd.holders`, or at some of them in their place. */
export function lookAround<Node extends NodeFacts>(
  crowd: Crowd<Node>,
  request: Placement,
  now: number,
  limits: LivenessLimits,
): Look<Node> {
  const { holders } = crowd;
  const lookAt = (nodes: readonly Node[]) => look(nodes, request, now, limits, whyNotHolder);
  if (holders.length <= ALL_OF) return lookAt(holders);
  if (request.needs.nodeId !== null) return lookAt(askedFor(crowd, request.needs.nodeId, request));
  if (request.policy === "least-busy") {
    const first = firstInOrder(crowd, request, now, limits);
    if (first.length > 0) return lookAt(first);
  }
  const seen = { ...lookAt(someOf(crowd, request)), sampleOf: holders.length };
  return isEnough(seen, crowd) ? seen : lookAt(holders);
}

/** The one that is asked for, where it has the model. */
function askedFor<Node extends NodeFacts>({ holders, named }: Crowd<Node>, id: string, request: Placement): Node[] {
  const node = named(id);
  return node && hasModel(node, request)
    ? [node, ...holders.slice(0, FIRST).filter((other) => other !== node)]
    : holders.slice(0, FIRST);
}

/** The first that may serve of the user's order, to the letter; none where too many have to be passed over. */
function firstInOrder<Node extends NodeFacts>(
  { leastBusy }: Crowd<Node>,
  request: Placement,
  now: number,
  limits: LivenessLimits,
): Node[] {
  const found: Node[] = [];
  let passed = 0;
  for (const node of leastBusy()) {
    if (found.length === FIRST || passed === SOME) break;
    if (hasModel(node, request) && isFirstRate(node, request, now, limits)) found.push(node);
    else passed++;
  }
  return found;
}

/** True for one that may serve, was heard from lately and has the manifest that should answer. */
function isFirstRate(node: NodeFacts, request: Placement, now: number, limits: LivenessLimits): boolean {
  if (whyNotHolder(node, request, now, limits) !== null || !isFresh(node, now, limits)) return false;
  return request.digest === null || hasDigest(node, request);
}

/** Some that have it in memory, some others, the node of the conversation's last turn, and all free ones where these are few. */
function someOf<Node extends NodeFacts>(crowd: Crowd<Node>, request: Placement): Node[] {
  const { holders, warm, free, turn } = crowd;
  const found = new Set<Node>(fewFree(crowd) ? Array.from(free).filter((node) => hasModel(node, request)) : []);
  const last = crowd.named(request.lastNode ?? "");
  if (last && hasModel(last, request)) found.add(last);
  const ready = windowOf(warm, turn, SOME / 2);
  for (const node of ready) found.add(node);
  for (const node of windowOf(holders, turn, SOME - ready.length)) found.add(node);
  return Array.from(found);
}

/** `most` of `nodes` side by side, beginning at another one each turn. */
function windowOf<Node>(nodes: readonly Node[], turn: number, most: number): readonly Node[] {
  if (nodes.length <= most) return nodes;
  const from = Math.floor(((turn * STEP) % 1) * nodes.length);
  const end = from + most;
  return end <= nodes.length ? nodes.slice(from, end) : [...nodes.slice(from), ...nodes.slice(0, end - nodes.length)];
}

/** True when a look at all nodes would serve the request as well, or not serve it either. */
function isEnough<Node extends NodeFacts>(seen: Look<Node>, crowd: Crowd<Node>): boolean {
  const { choice, eligible, request, now, limits } = seen;
  if (request.digest !== null && !seen.sameDigestOnly) return false;
  // All that could serve it now were looked at.
  const sawFree = request.needs.slot && fewFree(crowd);
  if (choice.kind === "wait") return sawFree && (eligible.length === 0 || crowd.warm.length <= SOME / 2);
  // One in doubt is for when there is no other.
  if (choice.kind === "none" || !eligible.includes(choice.node)) return false;
  return sawFree || (request.policy !== "least-busy" && isFresh(choice.node, now, limits));
}

function fewFree({ free }: Crowd<unknown>): boolean {
  return free.size <= SOME;
}

function hasModel({ models }: NodeFacts, { model }: Placement): boolean {
  return model === ANY_MODEL || models.has(model);
}
