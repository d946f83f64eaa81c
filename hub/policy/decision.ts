/** What a look at the fleet for one request came to, and what it saw of each node: small enough to be kept in the log. */
import type { Family } from "../../shared/address.ts";
import { ANY_MODEL } from "../../shared/model_name.ts";
import { beating, CRITERIA, type Criterion, criteriaFor, type LbPolicy } from "./criteria.ts";
import { type Ineligible, isLoading, type NodeFacts, type Placement, passesSoon, whyNot } from "./eligibility.ts";
import { firstTokenMs, isInTime } from "./first_token.ts";
import { type Liveness, livenessOf } from "./liveness.ts";
import { rampOf } from "./ramp.ts";
import { type Choice, hasDigest, type Look } from "./selection.ts";

/** One way to a node, as far as it is told. */
export interface RouteFacts {
  readonly family: Family;
  readonly address: string;
  readonly reachable: boolean | null;
  readonly rttMs: number | null;
}

/** A node that can be told of. */
export type TellableNode<Route extends RouteFacts> = NodeFacts & { readonly routes: readonly Route[] };

/** A node as it was at a decision. */
export interface JudgedNode<Route extends RouteFacts = RouteFacts> {
  readonly id: string;
  readonly reason: Ineligible | null;
  /** Why one that may serve the request did not compete for it. */
  readonly heldBack: string | null;
  readonly heartbeat: Liveness;
  readonly activeJobs: number;
  /** Slots it had then. */
  readonly slots: number;
  /** Just back, and given work slowly. */
  readonly returning: boolean;
  readonly inMemory: boolean;
  /** The model is a cloud service's: nothing is loaded for it. */
  readonly inCloud: boolean;
  /** False for an agent that does not say what it has in memory. */
  readonly knowsLoaded: boolean;
  readonly loading: boolean;
  readonly cpu: number;
  readonly failures: number;
  /** Milliseconds to its first token, loads weighed; null where nothing is expected. */
  readonly firstTokenMs: number | null;
  /** Its values by the criteria of the policy; null where it did not compete. */
  readonly values: readonly number[] | null;
  readonly routes: readonly Route[];
}

/** What a look at the fleet came to, and what it saw. */
export interface Decision<Route extends RouteFacts = RouteFacts> {
  /** By which nodes were compared. */
  readonly policy: LbPolicy;
  readonly outcome: Choice<NodeFacts>["kind"];
  readonly nodeId: string | null;
  /** The node that the request asks for by name, if it does. */
  readonly asked: string | null;
  /** Requests that look for a place before it. */
  readonly ahead: number;
  /** Those that competed, the best first. */
  readonly ranked: readonly JudgedNode<Route>[];
  /** The others: the one used rather than refuse, those held back, those that will be free soon, the rest. */
  readonly others: readonly JudgedNode<Route>[];
  /** Nodes that were left out of both because they are too many. */
  readonly notShown: number;
  /** Nodes that were looked at in place of more; null where all were that could matter. */
  readonly sample: { readonly nodes: number; readonly of: number } | null;
  /** Said instead of what follows from the nodes. */
  readonly summary: string | null;
}

export interface JudgeOptions<Node> {
  /** Nodes that were not looked at, why that is, and what it means for the request, in a sentence. */
  readonly leftOut?: { readonly nodes: readonly Node[]; readonly why: string; readonly summary: string };
  /** All nodes there are, where only those that have the model were looked at. */
  readonly fleet?: { readonly size: number; all(): Iterable<Node>; get(id: string): Node | undefined };
  /** True when it does not stand in the waiting room yet: those who do look before it. */
  readonly newcomer?: boolean;
  /** False where it is kept for long: of many nodes only the best. */
  readonly whole?: boolean;
}

/** Nodes up to which a kept decision has all, and how many it has of more. */
const MANY = 64;
const OF_MANY = 16;

/** What `look` came to, small enough to be kept with a request: a few microseconds for ten nodes. */
export function judge<Route extends RouteFacts, Node extends TellableNode<Route>>(
  look: Look<Node>,
  options: JudgeOptions<Node> = {},
): Decision<Route> {
  const { choice, nodes, request, sampleOf } = look;
  const { leftOut, fleet, newcomer = false, whole = false } = options;
  const total = (fleet?.size ?? nodes.length) + (leftOut?.nodes.length ?? 0);
  const most = whole || total <= MANY ? total : OF_MANY;
  const best = bestFirst(look, most);
  const ranked = best.map(({ node, values }) => snapshot<Route, Node>(node, look, null, null, values));
  const others =
    ranked.length < most
      ? othersOf<Route, Node>(look, new Set(best.map(({ node }) => node)), most - ranked.length, options)
      : [];
  return {
    policy: request.policy ?? "first-token",
    outcome: choice.kind,
    nodeId: choice.kind === "node" ? choice.node.id : null,
    asked: request.needs.nodeId,
    // One that failed somewhere goes to the front.
    ahead: newcomer && request.needs.slot && request.tried.size === 0 ? request.waiting : 0,
    ranked,
    others,
    notShown: total - ranked.length - others.length,
    sample: sampleOf === null ? null : { nodes: nodes.length, of: sampleOf },
    summary: leftOut?.summary ?? null,
  };
}

/** A node with its values by the criteria. */
interface Valued<Node> {
  readonly node: Node;
  readonly values: readonly number[];
}

/** The best `most` of those that compete, in their order. */
function bestFirst<Node extends NodeFacts>(look: Look<Node>, most: number): Valued<Node>[] {
  const { competing, request, now, limits, latestMs } = look;
  if (competing.length <= most) {
    const inTime = competing.filter((node) => isInTime(node, request, now, latestMs));
    return inTime
      .map((node) => ({ node, values: valuesOf(node, look) }))
      .sort((a, b) => difference(a.values, b.values));
  }
  const found: Valued<Node>[] = [];
  let beatsLast: ((node: Node) => boolean) | null = null;
  for (const node of competing) {
    if ((beatsLast && !beatsLast(node)) || !isInTime(node, request, now, latestMs)) continue;
    const values = valuesOf(node, look);
    let at = found.length;
    for (let before = found[at - 1]; before && difference(values, before.values) < 0; before = found[at - 1]) at--;
    found.splice(at, 0, { node, values });
    found.length = Math.min(found.length, most);
    const last = found[most - 1];
    beatsLast = last ? beating(last.node, request, now, limits) : null;
  }
  return found;
}

function difference(one: readonly number[], other: readonly number[]): number {
  for (let index = 0; index < one.length; index++) {
    const found = (one[index] ?? 0) - (other[index] ?? 0);
    if (found !== 0) return found;
  }
  return 0;
}

/**
 * Of all but the `ranked` ones the `most` that were nearest to getting the request: the one used rather than refuse, those
 * held back, those that will be free soon, the rest; of each the one that was asked for first.
 */
function othersOf<Route extends RouteFacts, Node extends TellableNode<Route>>(
  look: Look<Node>,
  ranked: ReadonlySet<Node>,
  most: number,
  { leftOut, fleet }: JudgeOptions<Node>,
): JudgedNode<Route>[] {
  const { choice, nodes, eligible, request, now, limits } = look;
  const chosen = choice.kind === "node" && !ranked.has(choice.node) ? choice.node : null;
  const asked = askedFor(look, fleet);
  const whyBack = whyHeldBack(look, ranked);
  const inDoubt = chosen ? [snapshot<Route, Node>(chosen, look, whyNot(chosen, request, now, limits), null, null)] : [];
  const heldBack: JudgedNode<Route>[] = [];
  const soon: JudgedNode<Route>[] = [];
  const rest: JudgedNode<Route>[] = [];
  const place = (node: Node, whyLeftOut: string | null) => {
    const reason = whyNot(node, request, now, limits);
    const group = reason === null ? heldBack : passesSoon(reason) ? soon : rest;
    if (group.length < most) group.push(snapshot(node, look, reason, reason === null ? whyLeftOut : null, null));
  };
  const mayServe = new Set(eligible);
  const isPlaced = (node: Node) => ranked.has(node) || node === chosen || node === asked;
  if (asked && !ranked.has(asked) && asked !== chosen) place(asked, mayServe.has(asked) ? whyBack(asked) : null);
  for (const node of eligible) {
    if (heldBack.length === most) break;
    if (!isPlaced(node)) place(node, whyBack(node));
  }
  for (const node of nodes) {
    if (heldBack.length + soon.length >= most) break;
    if (!isPlaced(node) && !mayServe.has(node)) place(node, null);
  }
  for (const node of leftOut?.nodes ?? []) place(node, leftOut?.why ?? null);
  const found = [...inDoubt, ...heldBack, ...soon, ...rest];
  for (const node of fleet?.all() ?? []) {
    if (found.length >= most) break;
    // The others were looked at.
    if (node !== asked && !hasModel(node, request))
      found.push(snapshot(node, look, whyNot(node, request, now, limits), null, null));
  }
  return found.slice(0, most);
}

/** The node that the request asks for by name, if there is one. */
function askedFor<Node extends NodeFacts>({ nodes, request }: Look<Node>, fleet: JudgeOptions<Node>["fleet"]) {
  const { nodeId } = request.needs;
  if (nodeId === null) return undefined;
  return nodes.find(({ id }) => id === nodeId) ?? fleet?.get(nodeId);
}

function hasModel({ models }: NodeFacts, { model }: Placement): boolean {
  return model === ANY_MODEL || models.has(model);
}

function valuesOf(node: NodeFacts, { request, now, limits }: Look<NodeFacts>): number[] {
  return criteriaFor(request).map(({ value }) => value(node, request, now, limits));
}

function snapshot<Route extends RouteFacts, Node extends TellableNode<Route>>(
  node: Node,
  { request, now, limits }: Look<Node>,
  reason: Ineligible | null,
  heldBack: string | null,
  values: readonly number[] | null,
): JudgedNode<Route> {
  return unlessSame<Route>(node, {
    id: node.id,
    reason,
    heldBack,
    heartbeat: livenessOf(now - node.lastHeardAt, limits),
    activeJobs: node.reserved,
    slots: node.slots,
    returning: rampOf(node.trust, now) < 1,
    inMemory: node.loaded.has(request.model),
    inCloud: node.remote.has(request.model),
    knowsLoaded: node.knowsLoaded,
    loading: isLoading(node, request.model),
    firstTokenMs: firstTokenMs(node, request, now),
    cpu: node.cpu,
    failures: node.trust.failures,
    values,
    routes: node.routes,
  });
}

/** What was seen of each node last. */
const LAST_SEEN = new WeakMap<object, JudgedNode>();

/**
 * `seen`, or what was seen of `node` the last time where that is the same: of ten nodes a request changes two, and what is
 * kept with every request would be three times as much.
 */
function unlessSame<Route extends RouteFacts>(node: object, seen: JudgedNode<Route>): JudgedNode<Route> {
  const last = LAST_SEEN.get(node);
  // The very same routes, or it would not be of this kind.
  if (last?.routes === seen.routes && isSame(last, seen)) return last as JudgedNode<Route>;
  LAST_SEEN.set(node, seen);
  return seen;
}

/** Field by field, as a loop over their names would take longer than to look. */
function isSame(one: JudgedNode, other: JudgedNode): boolean {
  return (
    one.activeJobs === other.activeJobs &&
    one.firstTokenMs === other.firstTokenMs &&
    one.id === other.id &&
    one.reason === other.reason &&
    one.heldBack === other.heldBack &&
    one.heartbeat === other.heartbeat &&
    one.slots === other.slots &&
    one.returning === other.returning &&
    one.inMemory === other.inMemory &&
    one.inCloud === other.inCloud &&
    one.knowsLoaded === other.knowsLoaded &&
    one.loading === other.loading &&
    one.cpu === other.cpu &&
    one.failures === other.failures &&
    areSame(one.values, other.values)
  );
}

function areSame(some: readonly number[] | null, others: readonly number[] | null): boolean {
  if (some === null || others === null) return some === others;
  return some.length === others.length && some.every((value, index) => value === others[index]);
}

/** Why a node that may serve the request was held back by selection.ts or cold_start.ts, where the `ranked` ones were not. */
function whyHeldBack<Node extends NodeFacts>(look: Look<Node>, ranked: ReadonlySet<Node>) {
  const competing = new Set(look.competing);
  const warm = Array.from(ranked).some(isWarm(look));
  return (node: Node): string => {
    if (look.sameDigestOnly && !hasDigest(node, look.request)) return "it has another version of the model";
    if (competing.has(node)) return "a node that is full now is expected sooner";
    if (warm) return "another node has the model in memory";
    if (isLoading(node, look.request.model)) return "it is loading the model, and so many wait that one more node does";
    return "another node is loading the model";
  };
}

function isWarm({ request }: Look<NodeFacts>) {
  return (node: NodeFacts) => node.loaded.has(request.model) || !node.knowsLoaded;
}

/** The criterion by which `node` comes after `before`; null where there is none before it, or none in which they differ. */
export function firstDifference(
  policy: LbPolicy,
  before: JudgedNode | undefined,
  node: JudgedNode,
): Criterion["name"] | null {
  const index = node.values?.findIndex((value, each) => before?.values && before.values[each] !== value) ?? -1;
  return CRITERIA[policy][index]?.name ?? null;
}
