/** The waiting room: bounded, callers in turn, one caller first come first served for each model, left at once by who gives up. */
import type { Clock } from "../shared/clock.ts";
import { ANY_MODEL, type ModelKey } from "../shared/model_name.ts";
import { createCallerTurns } from "./caller_turns.ts";
import { createFairQueue, type FairQueue, type Queued } from "./fair_queue.ts";
import { ANYBODY, type Caller } from "./policy/callers.ts";

/** What a waiter's turn brings: look again, waited too long, the client left, or the hub is shutting down. */
export type Turn = "look" | "timeout" | "left" | "stopping";

export interface Ticket {
  /** Its place among those who waited for the same model when it entered; 1 is next. */
  readonly position: number;
  /**
   * Resolves when it is this waiter's turn to look for a place, and nobody before it can take one. `passOn` says that
   * this waiter leaves free what others may use (it was at some nodes already, or waits for a faster one), so those behind
   * it may look as well.
   */
  turn(passOn: boolean): Promise<Turn>;
  /** Leaves the room; whoever is next may look. Harmless when called twice. */
  leave(): void;
}

export interface WaitingRoomOptions {
  readonly clock: Clock;
  /** Waiters at most, all models together; up to a quarter more when a few models, or callers, fill it. */
  readonly size: number;
  /** Milliseconds a waiter stays at most. */
  readonly timeoutMs: number;
  /** Aborted when nobody who waits will be served any more. */
  readonly stopping?: AbortSignal;
}

export interface WaiterOptions {
  /** Whose turn it takes; all are one where nothing is said. */
  readonly caller?: Caller;
  /** It goes before the rest: it was placed already, or takes no slot from them. */
  readonly front?: boolean;
  /** It was let in before, and finds room whoever else waits. */
  readonly letIn?: boolean;
  /** Milliseconds the same request waited here before. */
  readonly waitedMs?: number;
  /** Monotonic ms after which it would wait in vain. */
  readonly deadlineAt?: number;
}

/** Those who wait for one model. */
interface WaitingFor {
  readonly model: ModelKey;
  readonly waiting: number;
  /** Milliseconds for which the one who came first has waited. */
  readonly oldestWaitMs: number;
}

export type WaitingRoom = ReturnType<typeof createWaitingRoom>;

interface Waiter extends Queued {
  /** Set while it waits for its turn. */
  resolve: ((turn: Turn) => void) | null;
  /** Capacity changed while it was not waiting: it was looking, and what it saw may be old. */
  woken: boolean;
  /** It leaves nodes free, as it said with its last turn: those behind it may look as well, until it looks again. */
  passesOn: boolean;
  /** Monotonic ms since when it waits. */
  readonly since: number;
}

/** Below 0 where `a` comes first; infinities are equal to themselves. */
const compare = (a: number, b: number) => (a === b ? 0 : a - b);

const NEVER = new AbortController().signal;

/** Part of the room's size by which it is overfilled at most, by models or callers of which few wait, when others fill it. */
const SPARE = 0.25;

/** An empty waiting room. */
export function createWaitingRoom({ clock, size, timeoutMs, stopping = NEVER }: WaitingRoomOptions) {
  const queues = new Map<ModelKey, FairQueue<Waiter>>();
  /** Waiters of each caller, for all models together. */
  const counts = new Map<string, number>();
  const turns = createCallerTurns();
  let length = 0;

  function wake(waiter: Waiter | undefined): void {
    if (!waiter) return;
    // What it finds now it may want.
    waiter.passesOn = false;
    if (waiter.resolve) waiter.resolve("look");
    else waiter.woken = true;
  }

  /** The first of each of these models' waiters, and of those who wait for any. */
  function firstFor(models: ReadonlySet<ModelKey>): (Waiter | undefined)[] {
    const first = [queues.get(ANY_MODEL)?.waiters[0]];
    const [fewer, isMeant] = models.size < queues.size ? [models, queues] : [queues.keys(), models];
    for (const model of fewer) if (isMeant.has(model)) first.push(queues.get(model)?.waiters[0]);
    return first;
  }

  /** True when nobody before `index` could take a place that the waiter there finds. Mostly the first says no. */
  function mayLook(queue: readonly Waiter[], index: number): boolean {
    for (let before = 0; before < index; before++) if (!queue[before]?.passesOn) return false;
    return true;
  }

  /** True when one more may wait: one model's waiters, or one caller's, do not fill the room for the others. */
  function hasRoomFor(model: ModelKey, { id }: Caller): boolean {
    if (length < size) return true;
    if (length >= Math.floor(size * (1 + SPARE))) return false;
    return hasSpare(queues.get(model)?.waiters.length ?? 0, queues.size) || hasSpare(counts.get(id) ?? 0, counts.size);
  }

  /** True when one that has `own` waiters, beside others, is among the few of `parties` that may overfill the room. */
  function hasSpare(own: number, parties: number): boolean {
    const all = parties + (own === 0 ? 1 : 0);
    return all > 1 && own < Math.floor((size * SPARE) / all);
  }

  function count(id: string, change: 1 | -1): void {
    length += change;
    const now = (counts.get(id) ?? 0) + change;
    if (now > 0) counts.set(id, now);
    else counts.delete(id);
  }

  function hasItsShare({ id, limits: { queueShare } }: Caller): boolean {
    return queueShare !== null && queueShare < 1 && (counts.get(id) ?? 0) >= Math.max(1, Math.floor(size * queueShare));
  }

  return {
    /** Waiters at most, and milliseconds each stays at most. */
    size,
    timeoutMs,

    /** Requests that wait now. */
    get length() {
      return length;
    },

    /** Requests that wait for `model`. */
    waitingFor: (model: ModelKey): number => queues.get(model)?.waiters.length ?? 0,

    /** Requests of the caller with this id that wait. */
    waitingOf: (id: string): number => counts.get(id) ?? 0,

    /** True when as many of this caller wait as may, whatever room there is. */
    hasItsShare,

    /** Everybody who waits, by model. */
    queues: (): WaitingFor[] =>
      Array.from(queues, ([model, { waiters }]) => {
        const oldest = waiters.reduce((first, { since }) => Math.min(first, since), Number.POSITIVE_INFINITY);
        return { model, waiting: waiters.length, oldestWaitMs: clock.now() - oldest };
      }),

    /**
     * True when a newcomer for `model` must not go before those who wait for it. Those who leave nodes free let it pass:
     * what it can use they cannot, or do not want.
     */
    hasWaiters: (model: ModelKey): boolean => queues.get(model)?.waiters.some(({ passesOn }) => !passesOn) ?? false,

    /**
     * Capacity may have changed, for these `models` or for all: the first of each one's waiters looks. Who was placed before
     * goes first, then the caller whose turn it is, then who has waited longest.
     */
    wake(models?: ReadonlySet<ModelKey>): void {
      if (length === 0) return;
      const heads = models ? firstFor(models) : Array.from(queues.values(), ({ waiters: [waiter] }) => waiter);
      const first = heads.filter((waiter) => waiter !== undefined);
      const turnOf = ({ front, caller }: Waiter) => (front ? Number.NEGATIVE_INFINITY : turns.of(caller));
      if (first.length > 1) first.sort((a, b) => compare(turnOf(a), turnOf(b)) || a.since - b.since);
      for (const waiter of first) wake(waiter);
    },

    /** Draws a ticket, or null when the room is full. */
    enter(model: ModelKey, signal: AbortSignal, options: WaiterOptions = {}): Ticket | null {
      const { front = false, letIn = false, waitedMs = 0, caller = ANYBODY } = options;
      const { deadlineAt = Number.POSITIVE_INFINITY } = options;
      if (!letIn && (hasItsShare(caller) || !hasRoomFor(model, caller))) return null;
      const since = clock.now() - waitedMs;
      const waiter: Waiter = { resolve: null, woken: false, passesOn: false, since, caller, front, tag: 0, userTag: 0 };
      const queue = queues.get(model) ?? createFairQueue<Waiter>();
      queues.set(model, queue);
      const { waiters } = queue;
      const index = queue.insert(waiter);
      // It may have seen a place, and entered only so as not to overtake anybody. Alone, it saw none.
      waiter.woken = waiters.length > 1 && mayLook(waiters, index);
      count(caller.id, 1);
      /** Its last turn was to look: when it leaves then, it has found a place. */
      let looked = false;

      let present = true;
      const leave = () => {
        if (!present) return;
        present = false;
        count(caller.id, -1);
        const left = queue.remove(waiter, looked);
        if (looked && !front) turns.served(caller);
        if (waiters.length === 0) queues.delete(model);
        else if (mayLook(waiters, left)) wake(waiters[left]);
      };

      return {
        position: index + 1,
        leave,
        turn(passOn) {
          looked = false;
          if (signal.aborted) return Promise.resolve("left");
          if (stopping.aborted) return Promise.resolve("stopping");
          const remaining = Math.min(waiter.since + timeoutMs, deadlineAt) - clock.now();
          if (remaining <= 0) return Promise.resolve("timeout");
          if (waiter.woken) {
            waiter.woken = false;
            looked = true;
            return Promise.resolve("look");
          }
          waiter.passesOn = passOn;
          if (passOn) {
            const next = waiters.indexOf(waiter) + 1;
            if (mayLook(waiters, next)) wake(waiters[next]);
          }
          return new Promise<Turn>((resolve) => {
            const onAbort = () => settle("left");
            const onStopping = () => settle("stopping");
            const cancelTimeout = clock.after(remaining, () => settle("timeout"));
            const settle = (turn: Turn) => {
              waiter.resolve = null;
              cancelTimeout();
              signal.removeEventListener("abort", onAbort);
              stopping.removeEventListener("abort", onStopping);
              looked = turn === "look";
              resolve(turn);
            };
            waiter.resolve = settle;
            signal.addEventListener("abort", onAbort, { once: true });
            stopping.addEventListener("abort", onStopping, { once: true });
          });
        },
      };
    },
  };
}
