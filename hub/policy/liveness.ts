/** How long a node has been silent, in the four words of the design. Derived whenever it is asked, never stored. */

export type Liveness = "fresh" | "stale" | "expired" | "gone";

export interface LivenessLimits {
  /** Milliseconds of silence after which the dashboard marks a node and it becomes second choice. */
  readonly staleMs: number;
  /** Milliseconds after which it gets no work (`HEARTBEAT_TTL_SECONDS`). */
  readonly expiredMs: number;
  /** Milliseconds after which it is forgotten (`HEARTBEAT_OFFLINE_SECONDS`). */
  readonly goneMs: number;
}

/** The liveness of a node that was silent for `silentMs` milliseconds. */
export function livenessOf(silentMs: number, limits: LivenessLimits): Liveness {
  if (silentMs < limits.staleMs) return "fresh";
  if (silentMs < limits.expiredMs) return "stale";
  return silentMs < limits.goneMs ? "expired" : "gone";
}
