/** How long a request that has to wait will wait: from what waits before it, what a request takes, and who can serve it. */

/** What waits for one model, and who serves that. */
export interface ModelQueue {
  readonly waiting: number;
  /** Milliseconds a request holds its slot, lately and on average; null while none has finished. */
  readonly serviceMs: number | null;
  /** Slots by node id, of the nodes that serve this model. */
  readonly slots: ReadonlyMap<string, number>;
}

/** Milliseconds a request is taken to hold its slot while none has finished. */
const ASSUMED_SERVICE_MS = 1000;
/** Seconds after which a client may as well try again: half of the fleet may have come or gone. */
const LONGEST_RETRY_AFTER_S = 120;

/**
 * Milliseconds until one more request of `queue` gets a slot. Every `serviceMs / slots` one becomes free (Little's law);
 * those who wait already go first, also for `others`' models, as far as their nodes are the same.
 */
export function expectedWaitMs(queue: ModelQueue, others: Iterable<ModelQueue>): number {
  const serviceMs = queue.serviceMs ?? ASSUMED_SERVICE_MS;
  let work = (queue.waiting + 1) * serviceMs;
  for (const other of others) work += other.waiting * (other.serviceMs ?? serviceMs) * shareOf(other, queue);
  return work / Math.max(1, sum(queue.slots.values()));
}

/** Whole seconds, 1 to 120, after which a client should come again that could wait for so many milliseconds here. */
export function retryAfterSeconds(waitMs: number): number {
  return Math.min(LONGEST_RETRY_AFTER_S, Math.max(1, Math.ceil(waitMs / 1000)));
}

/** The part of `other`'s work that comes to the nodes of `queue`. */
function shareOf(other: ModelQueue, queue: ModelQueue): number {
  const all = sum(other.slots.values());
  if (all === 0) return 0;
  const common = Array.from(other.slots, ([node, slots]) => (queue.slots.has(node) ? slots : 0));
  return sum(common) / all;
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const each of numbers) total += each;
  return total;
}
