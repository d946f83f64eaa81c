/** What a look at the fleet for one request came to, and what it saw of each node: small enough to be kept in the log. */
import type { Family } from "../../shared/address.ts";
import { CRITERIA, type Criterion, compare, criteriaFor, type LbPolicy } from "./criteria.ts";
import { type Ineligible, isLoading, type NodeFacts, passesSoon, whyNot } from "./eligibility.ts";
import { firstTokenMs } from "./first_token.ts";
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
  /** Said instead of what follows from the nodes. */
  readonly summary: string | null;
}

export interface JudgeOptions<Node> {
  /** Nodes that were not looked at, why that is, and what it means for the request, in a sentence. */
  readonly leftOut?: { readonly nodes: readonly Node[]; readonly why: string; readonly summary: string };
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
  { leftOut, newcomer = false, whole = false }: JudgeOptions<Node> = {},
): Decision<Route> {
  const { choice, nodes, candidates, request, now, limits } = look;
  const total = nodes.length + (leftOut?.nodes.length ?? 0);
  const most = whole || total <= MANY ? total : OF_MANY;
  const ranked = best(look, most).map((node) => snapshot<Route, Node>(node, look, null, null, valuesOf(node, look)));
  const others: JudgedNode<Route>[] = [];
  if (ranked.length < Math.min(most, total)) {
    const competed = new Set(candidates);
    const warm = candidates.some(isWarm(look));
    for (const node of nodes) {
      if (competed.has(node)) continue;
      const reason = whyNot(node, request, now, limits);
      others.push(snapshot(node, look, reason, reason === null ? heldBack(node, look, warm) : null, null));
    }
    for (const node of leftOut?.nodes ?? []) {
      const reason = whyNot(node, request, now, limits);
      others.push(snapshot(node, look, reason, reason === null ? (leftOut?.why ?? null) : null, null));
    }
  }
  const nodeId = choice.kind === "node" ? choice.node.id : null;
  const shown = others.sort((a, b) => nearness(a, nodeId) - nearness(b, nodeId)).slice(0, most - ranked.length);
  return {
    policy: request.policy ?? "first-token",
    outcome: choice.kind,
    nodeId,
    asked: request.needs.nodeId,
    // One that failed somewhere goes to the front.
    ahead: newcomer && request.needs.slot && request.tried.size === 0 ? request.waiting : 0,
    ranked,
    others: shown,
    notShown: total - ranked.length - shown.length,
    summary: leftOut?.summary ?? null,
  };
}

/** The best `most` of those that compete, in their order. */
function best<Node extends NodeFacts>({ candidates, request, now, limits }: Look<Node>, most: number): Node[] {
  const order = (a: Node, b: Node) => compare(a, b, request, now, limits);
  if (candidates.length <= most) return candidates.toSorted(order);
  const found: Node[] = [];
  for (const node of candidates) {
    let at = found.length;
    for (let before = found[at - 1]; before && order(node, before) < 0; before = found[at - 1]) at--;
    if (at === most) continue;
    found.splice(at, 0, node);
    found.length = Math.min(found.length, most);
  }
  return found;
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
  return {
    id: node.id,
    reason,
    heldBack,
    heartbeat: livenessOf(now - node.lastHeardAt, limits),
    activeJobs: node.reserved,
    slots: node.slots,
    returning: rampOf(node.trust, now) < 1,
    inMemory: node.loaded.has(request.model),
    knowsLoaded: node.knowsLoaded,
    loading: isLoading(node, request.model),
    firstTokenMs: firstTokenMs(node, request, now),
    cpu: node.cpu,
    failures: node.trust.failures,
    values,
    routes: node.routes,
  };
}

/** Why a node that may serve the request was held back by selection.ts or cold_start.ts: `warm` where others were not. */
function heldBack<Node extends NodeFacts>(node: Node, look: Look<Node>, warm: boolean): string {
  if (look.sameDigestOnly && !hasDigest(node, look.request)) return "it has another version of the model";
  if (look.competing.includes(node)) return "a node that is full now is expected sooner";
  if (warm) return "another node has the model in memory";
  if (isLoading(node, look.request.model)) return "it is loading the model, and so many wait that one more node does";
  return "another node is loading the model";
}

function isWarm({ request }: Look<NodeFacts>) {
  return (node: NodeFacts) => node.loaded.has(request.model) || !node.knowsLoaded;
}

/** The lower, the nearer it was to getting the request. */
function nearness({ id, reason }: JudgedNode, chosen: string | null): number {
  if (id === chosen) return 0;
  if (reason === null) return 1;
  return passesSoon(reason) ? 2 : 3;
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
