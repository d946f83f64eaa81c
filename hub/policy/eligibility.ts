/** May this node serve this request now, and if not, why not. The one predicate that combines a node's separate facts. */

import type { ModelKey } from "../../shared/model_name.ts";
import type { NodeIntent } from "../../shared/protocol.ts";
import type { Trust } from "./ejection.ts";
import { type LivenessLimits, livenessOf } from "./liveness.ts";

/** What is known of a node when a request is placed. Times are monotonic milliseconds. */
export interface NodeFacts {
  readonly id: string;
  readonly lastHeardAt: number;
  readonly trust: Trust;
  readonly intent: NodeIntent;
  readonly ollamaOk: boolean;
  /** Whether at least one of its addresses may be dialled under `IP_PREFERENCE`. */
  readonly dialable: boolean;
  readonly models: ReadonlySet<ModelKey>;
  readonly loaded: ReadonlySet<ModelKey>;
  /** Models it lists but answered 404 for, with the time until which the claim is not believed. */
  readonly disbelieved: ReadonlyMap<ModelKey, number>;
  /** Models that did not fit its memory, with the time until which they are not tried again. */
  readonly unfit: ReadonlyMap<ModelKey, number>;
  /** It said it was busy: no new work before this time. */
  readonly restingUntil: number;
  /** Requests this hub has given it and not got back. */
  readonly reserved: number;
  readonly slots: number;
  /** Ratio 0 to 1 from the last heartbeat. */
  readonly cpu: number;
  /** Rises with every reservation; the lowest was picked longest ago. */
  readonly lastPicked: number;
}

/** A request as far as placing it goes. */
export interface Placement {
  readonly model: ModelKey;
  /** Nodes that already failed this request. */
  readonly tried: ReadonlySet<string>;
}

export type Ineligible =
  | "model not there"
  | "model claim not believed"
  | "model does not fit"
  | "already tried"
  | "no usable address"
  | "offline"
  | "draining"
  | "left"
  | "Ollama not answering"
  | "ejected"
  | "on trial, busy"
  | "resting"
  | "full";

/** Reasons that pass by themselves soon: worth waiting for. */
const PASSING: ReadonlySet<Ineligible> = new Set(["on trial, busy", "resting", "full"]);

/** Null when `node` may serve `request` at monotonic `now`, else the first reason why not. */
export function whyNot(node: NodeFacts, request: Placement, now: number, limits: LivenessLimits): Ineligible | null {
  if (!node.models.has(request.model)) return "model not there";
  if (now < (node.disbelieved.get(request.model) ?? 0)) return "model claim not believed";
  if (now < (node.unfit.get(request.model) ?? 0)) return "model does not fit";
  if (request.tried.has(node.id)) return "already tried";
  if (!node.dialable) return "no usable address";
  const liveness = livenessOf(now - node.lastHeardAt, limits);
  if (liveness === "expired" || liveness === "gone") return "offline";
  if (node.intent !== "serving") return node.intent;
  if (!node.ollamaOk) return "Ollama not answering";
  if (node.trust.kind === "ejected") return "ejected";
  if (node.trust.kind === "trial" && node.reserved > 0) return "on trial, busy";
  if (now < node.restingUntil) return "resting";
  return node.reserved < node.slots ? null : "full";
}

/** True when `reason` goes away as work finishes, so that a request should wait rather than be refused. */
export function passesSoon(reason: Ineligible): boolean {
  return PASSING.has(reason);
}
