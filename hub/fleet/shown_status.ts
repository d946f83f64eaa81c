/** How a node is shown to people and to Prometheus. */
import { type Liveness, type LivenessLimits, livenessOf } from "../policy/liveness.ts";
import { type NodeStatus, statusOf } from "../policy/node_status.ts";
import type { NodeRecord } from "./node_record.ts";

/** How long `node` has been silent at monotonic `now`, its status, and the reason where it may not serve. */
export function shownStatus(
  node: NodeRecord,
  now: number,
  limits: LivenessLimits,
): { readonly liveness: Liveness; readonly status: NodeStatus; readonly reason: string | null } {
  const { intent, trust, ollamaOk, dialable, unproven, routes } = node;
  const liveness = livenessOf(now - node.lastHeardAt, limits);
  const reachable = routes.some((route) => route.reachable !== false);
  return { liveness, ...statusOf({ liveness, intent, trust, ollamaOk, dialable, unproven, reachable }) };
}
