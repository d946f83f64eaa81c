/** The one word people see for a node. For display only: routing asks eligibility. */
import type { NodeIntent } from "../../shared/protocol.ts";
import type { Trust } from "./ejection.ts";
import type { Liveness } from "./liveness.ts";

export type NodeStatus = "online" | "offline" | "degraded" | "draining" | "pending";

export interface StatusFacts {
  readonly liveness: Liveness;
  readonly intent: NodeIntent;
  readonly trust: Trust;
  readonly ollamaOk: boolean;
  readonly dialable: boolean;
  /** It could be dialled, had it proven that it is at one of its addresses. */
  readonly unproven: boolean;
  /** False when no address came through last time. */
  readonly reachable: boolean;
}

const NOWHERE = "none of its addresses can be dialled";
const NOT_FOUND = "the hub does not find it at any of its addresses";

/** The word, and the reason where a node may not serve; the first that holds, the most lasting first. */
export function statusOf(facts: StatusFacts): { readonly status: NodeStatus; readonly reason: string | null } {
  if (facts.intent === "left") return { status: "offline", reason: "the agent was stopped" };
  if (facts.liveness === "expired" || facts.liveness === "gone") {
    return { status: "offline", reason: "no heartbeat" };
  }
  if (facts.intent === "draining") return { status: "draining", reason: "finishing its work before it stops" };
  if (!facts.dialable) return { status: "pending", reason: facts.unproven ? NOT_FOUND : NOWHERE };
  if (!facts.ollamaOk) return { status: "pending", reason: "its Ollama does not answer" };
  if (facts.trust.kind === "ejected") return { status: "degraded", reason: facts.trust.reason };
  if (facts.trust.kind === "trial") return { status: "degraded", reason: "on trial after failures" };
  if (!facts.reachable) return { status: "degraded", reason: "it does not answer at any of its addresses" };
  return { status: "online", reason: null };
}
