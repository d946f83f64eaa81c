/** May this node serve this request now, and if not, why not. The one predicate that combines a node's separate facts. */
import { ANY_MODEL, type ModelKey } from "../../shared/model_name.ts";
import type { Capability, NodeIntent } from "../../shared/protocol.ts";
import type { LbPolicy } from "./criteria.ts";
import type { Trust } from "./ejection.ts";
import type { Expected } from "./first_token.ts";
import type { LivenessLimits } from "./liveness.ts";
import type { Pace } from "./pace.ts";

/** What is known of a node when a request is placed. Times are monotonic milliseconds. */
export interface NodeFacts {
  readonly id: string;
  readonly lastHeardAt: number;
  readonly trust: Trust;
  readonly intent: NodeIntent;
  readonly ollamaOk: boolean;
  /** When the last of these two changed. */
  readonly conditionSince: number;
  /** Whether at least one of its addresses may be dialled under `IP_PREFERENCE`. */
  readonly dialable: boolean;
  /** It could be dialled, had it proven that it is at one of its addresses. */
  readonly unproven: boolean;
  /** It is just being asked to prove that. */
  readonly proving: boolean;
  readonly models: ReadonlySet<ModelKey>;
  readonly loaded: ReadonlySet<ModelKey>;
  /** Models that are only names for one at a cloud service: there is nothing to load. */
  readonly remote: ReadonlySet<ModelKey>;
  /** False for an agent that does not say what its Ollama has in memory. */
  readonly knowsLoaded: boolean;
  /** Models it is bringing into memory, as its last health answer said. */
  readonly loading: ReadonlySet<ModelKey>;
  /** Requests of this hub's, by model, that wait for their first byte there and found the model not in memory. */
  readonly starting: ReadonlyMap<ModelKey, number>;
  /** When each model of these two began to be on its way into memory, as far as this hub saw it. */
  readonly loadingSince: ReadonlyMap<ModelKey, number>;
  /** Manifest digests of its models, as far as it told them. */
  readonly digests: ReadonlyMap<ModelKey, string>;
  readonly capabilities: readonly string[];
  /** Models it lists but answered 404 for, with the time until which the claim is not believed. */
  readonly disbelieved: ReadonlyMap<ModelKey, number>;
  /** What did not fit its memory, by `fitKey`, with the time until which it is not tried again. */
  readonly unfit: ReadonlyMap<string, number>;
  /** It said it was busy: no new work before this time. */
  readonly restingUntil: number;
  /** Requests this hub has given it and not got back. */
  readonly reserved: number;
  /** Requests it works on at once, as far as that was learned: at most what it reported. */
  readonly slots: number;
  /** What was measured of it. */
  readonly pace: Pace;
  /** Bytes of its models on disk, as far as it told them. */
  readonly sizes: ReadonlyMap<ModelKey, number>;
  /** Ratio 0 to 1 from the last heartbeat. */
  readonly cpu: number;
  /** Rises with every reservation; the lowest was picked longest ago. */
  readonly lastPicked: number;
  /** Rises with every node that joins. */
  readonly joined: number;
}

/** What a request asks of a node besides the model. */
export interface Needs {
  readonly capability: Capability;
  /** The one node that may serve it (`X-Node-Id`), or null. */
  readonly nodeId: string | null;
  /** False for a question that runs no model: a node that is full can still answer it. */
  readonly slot: boolean;
}

/** A request as far as placing it goes. */
export interface Placement {
  /** The order by which nodes are compared; `first-token` where nothing is said. */
  readonly policy?: LbPolicy;
  readonly model: ModelKey;
  /** Nodes that already failed this request. */
  readonly tried: ReadonlySet<string>;
  readonly needs: Needs;
  /** The manifest that should answer, where nodes have different ones under this name; null when any may. */
  readonly digest: string | null;
  /** It takes another manifest rather than wait for long: a conversation does, what is compared with other vectors does not. */
  readonly mayChangeDigest?: boolean;
  /** Requests for the same model that wait for a place. */
  readonly waiting: number;
  /** What is measured of the model over all nodes; null while no first token was, and the first tokens decide nothing. */
  readonly expected?: Expected | null;
  /** Its options that a load depends on; a model in memory with others is loaded anew. */
  readonly loadOptions?: string;
  /** The node that answered the turn of the conversation before. */
  readonly lastNode?: string | null;
  /** It waits already, or a node has had it: it is not to be lost to a machine that is only being restarted. */
  readonly accepted?: boolean;
  /** Milliseconds for which it has waited. */
  readonly waitedMs?: number;
  /** Milliseconds for which it may wait at most; without an end where nothing is said. */
  readonly patienceMs?: number;
  /** It would be refused otherwise: it takes a node that is not trusted at the moment beside trusted ones that are full. */
  readonly takesLastResort?: boolean;
}

export type Ineligible =
  | "not the node asked for"
  | "agent too old"
  | "model not there"
  | "model claim not believed"
  | "already tried"
  | "no usable address"
  | "proving its address"
  | "address not proven"
  | "offline"
  | "draining"
  | "left"
  | "Ollama not answering"
  | "model does not fit"
  | "ejected"
  | "on trial, busy"
  | "resting"
  | "full";

/** Reasons that pass by themselves soon: worth waiting for. */
const PASSING: ReadonlySet<Ineligible> = new Set(["on trial, busy", "resting", "full", "proving its address"]);

/** Null when `node` may serve `request` at monotonic `now`, else the first reason why not. */
export function whyNot(node: NodeFacts, request: Placement, now: number, limits: LivenessLimits): Ineligible | null {
  const { nodeId } = request.needs;
  if (nodeId !== null && nodeId !== node.id) return "not the node asked for";
  if (request.model !== ANY_MODEL && !node.models.has(request.model)) return "model not there";
  return whyNotHolder(node, request, now, limits);
}

/** The same of a node that is known to have the model. */
export function whyNotHolder(
  node: NodeFacts,
  request: Placement,
  now: number,
  limits: LivenessLimits,
): Ineligible | null {
  const { needs } = request;
  if (needs.nodeId !== null && needs.nodeId !== node.id) return "not the node asked for";
  if (!understands(node, needs)) return "agent too old";
  if (isBefore(now, node.disbelieved, request.model)) return "model claim not believed";
  if (request.tried.size > 0 && request.tried.has(node.id)) return "already tried";
  if (!node.dialable) return whyNotDialled(node);
  if (now - node.lastHeardAt >= limits.expiredMs) return "offline";
  if (node.intent !== "serving") return node.intent;
  if (!node.ollamaOk) return "Ollama not answering";
  if (needs.slot && isUnfit(node, request, now)) return "model does not fit";
  if (node.trust.kind === "ejected") return "ejected";
  if (!needs.slot) return rests(node, request, now) ? "resting" : null;
  if (node.trust.kind === "trial" && node.reserved > 0) return "on trial, busy";
  if (rests(node, request, now)) return "resting";
  return node.reserved < node.slots ? null : "full";
}

function whyNotDialled({ unproven, proving }: NodeFacts): Ineligible {
  if (!unproven) return "no usable address";
  return proving ? "proving its address" : "address not proven";
}

/**
 * What of a load decides whether it fits a node's memory: a context of 131,072 tokens that does not says nothing of the
 * same model with its usual one.
 */
export function fitKey(model: ModelKey, loadOptions: string): string {
  return loadOptions === "" ? model : `${model} ${loadOptions}`;
}

/** True when `key` is that of `model`, with whatever options. */
export function isFitKeyOf(key: string, model: ModelKey): boolean {
  return key === model || key.startsWith(`${model} `);
}

/** True when the model did not fit `node` lately, without options or with those of `request`. */
export function isUnfit({ unfit }: NodeFacts, { model, loadOptions = "" }: Placement, now: number): boolean {
  return isBefore(now, unfit, model) || isBefore(now, unfit, fitKey(model, loadOptions));
}

/** Most of the time there is nothing in these, and ten thousand nodes are asked. */
function isBefore(now: number, until: ReadonlyMap<string, number>, key: string): boolean {
  return until.size > 0 && now < (until.get(key) ?? 0);
}

/**
 * True when `node` is left alone by `request`, as it said it was busy. What takes no slot asks it all the same, but not
 * again and again once it was turned away itself.
 */
export function rests(node: NodeFacts, { needs, accepted }: Placement, now: number): boolean {
  return now < node.restingUntil && (needs.slot || accepted === true);
}

/** True when the node's agent knows the kind of request; all of them know jobs. */
export function understands({ capabilities }: NodeFacts, { capability }: Needs): boolean {
  return capability === "execute" || capabilities.includes(capability);
}

/** True when `reason` goes away as work finishes, so that a request should wait rather than be refused. */
export function passesSoon(reason: Ineligible): boolean {
  return PASSING.has(reason);
}

/** Milliseconds that a machine may take to have its agent or its Ollama started again, by hand or by systemd. */
const RESTART_MS = 15_000;

/** True when `request` should wait for `node`, which may not serve it for `reason`. */
export function worthWaitingFor(node: NodeFacts, reason: Ineligible, request: Placement, now: number): boolean {
  if (PASSING.has(reason)) return true;
  if (!request.accepted) return false;
  // It says itself that it will be gone; whether for good, only the time after that can tell.
  if (reason === "draining") return true;
  return (reason === "left" || reason === "Ollama not answering") && now - node.conditionSince < RESTART_MS;
}

/** True when `model` is on its way into the node's memory, as far as this hub or the node's agent can tell. */
export function isLoading(node: NodeFacts, model: ModelKey): boolean {
  if (node.starting.size + node.loading.size === 0 || node.loaded.has(model)) return false;
  return (node.starting.get(model) ?? 0) > 0 || node.loading.has(model);
}
