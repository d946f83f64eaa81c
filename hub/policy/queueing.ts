/** What a client that cannot be served now is told about when to come back. */

export interface QueueFacts {
  /** Requests that wait. */
  readonly waiting: number;
  /** Slots of all nodes that serve. */
  readonly slots: number;
  /** Milliseconds a request took lately, on average; null while none has finished. */
  readonly serviceMs: number | null;
}

const LONGEST_RETRY_AFTER_S = 120;

/** Whole seconds, 1 to 120, until a slot is likely to be free for one more request: Little's law over what waits. */
export function retryAfterSeconds(facts: QueueFacts): number {
  const serviceMs = facts.serviceMs ?? 1000;
  const seconds = ((facts.waiting + 1) * serviceMs) / Math.max(1, facts.slots) / 1000;
  return Math.min(LONGEST_RETRY_AFTER_S, Math.max(1, Math.ceil(seconds)));
}
