/** What is written down of a request, as tests need it where it does not matter. */
import type { Failed } from "../forward.ts";
import type { FailureKind } from "../policy/failover.ts";
import type { AttemptRecord, RequestStart } from "../request_log.ts";

/** A streamed chat from this machine. */
export const CHAT: RequestStart = {
  requestId: "r",
  clientIp: "::1",
  endpoint: "/api/chat",
  method: "POST",
  model: "llama3",
  stream: true,
  generates: true,
  json: null,
};

/** An attempt at the node `node_id`. */
export const attemptAt = (node_id: string, outcome = "ok"): AttemptRecord => ({
  node_id,
  ip_version: "IPv6",
  node_url: null,
  outcome,
  error: null,
  duration_ms: 1,
});

/** An attempt at the node "a" that failed so. */
export const failedAs = (failure: FailureKind, status: number): Failed => ({
  kind: "failed",
  nodeId: "a",
  failure,
  route: null,
  message: "it broke",
  status,
});
