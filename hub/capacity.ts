/** The waiting room: bounded, first come first served per model, left at once by who gives up. */
import type { Clock } from "../shared/clock.ts";
import type { ModelKey } from "../shared/model_name.ts";

/** What a waiter's turn brings: look again, waited too long, the client left, or the hub is shutting down. */
export type Turn = "look" | "timeout" | "left" | "stopping";

export interface Ticket extends Disposable {
  /** Its place among those who waited for the same model when it entered; 1 is next. */
  readonly position: number;
  /**
   * Resolves when it is this waiter's turn to look for a place, and nobody before it can take one. `passOn` says that
   * this waiter cannot use every node (it was at some already), so those behind it may look as well.
   */
  turn(passOn: boolean): Promise<Turn>;
  /** Leaves the room; whoever is next may look. Harmless when called twice. */
  leave(): void;
}

export interface WaitingRoomOptions {
  readonly clock: Clock;
  /** Waiters at most, all models together; up to a quarter more when a few models fill it. */
  readonly size: number;
  /** Milliseconds a waiter stays at most. */
  readonly timeoutMs: number;
  /** Aborted when nobody who waits will be served any more. */
  readonly stopping?: AbortSignal;
}

export interface WaiterOptions {
  /** It was placed already, so it goes before the rest. */
  readonly front?: boolean;
  /** Milliseconds the same request waited here before. */
  readonly waitedMs?: number;
  /** Monotonic ms after which it would wait in vain. */
  readonly deadlineAt?: number;
}

/** Those who wait for one model. */
export interface WaitingFor {
  readonly model: ModelKey;
  readonly waiting: number;
  /** Milliseconds for which the one who came first has waited. */
  readonly oldestWaitMs: number;
}

export type WaitingRoom = ReturnType<typeof createWaitingRoom>;

interface Waiter {
  /** Set while it waits for its turn. */
  resolve: ((turn: Turn) => void) | null;
  /** Capacity changed while it was not waiting: it was looking, and what it saw may be old. */
  woken: boolean;
  /** It cannot use every node, as it said with its last turn: those behind it may look as well. */
  passesOn: boolean;
  /** Monotonic ms since when it waits. */
  readonly since: number;
}

const NEVER = new AbortController().signal;

/** Part of the room's size by which it is overfilled at most, by models of which few wait, when others fill it. */
const SPARE = 0.25;

/** An empty waiting room. */
export function createWaitingRoom({ clock, size, timeoutMs, stopping = NEVER }: WaitingRoomOptions) {
  const queues = new Map<ModelKey, Waiter[]>();
  let length = 0;

  function wake(waiter: Waiter | undefined): void {
    if (!waiter) return;
    if (waiter.resolve) waiter.resolve("look");
    else waiter.woken = true;
  }

  /** True when nobody before `index` could take a place that the waiter there finds. Mostly the first says no. */
  function mayLook(queue: readonly Waiter[], index: number): boolean {
    for (let before = 0; before < index; before++) if (!queue[before]?.passesOn) return false;
    return true;
  }

  /** True when one more for `model` may wait: one model's waiters do not fill the room for the others. */
  function hasRoomFor(model: ModelKey): boolean {
    if (length < size) return true;
    const own = queues.get(model)?.length ?? 0;
    const models = queues.size + (own === 0 ? 1 : 0);
    return models > 1 && own < Math.floor((size * SPARE) / models);
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
    waitingFor: (model: ModelKey): number => queues.get(model)?.length ?? 0,

    /** Everybody who waits, by model. */
    queues: (): WaitingFor[] =>
      Array.from(queues, ([model, queue]) => {
        const oldest = queue.reduce((first, { since }) => Math.min(first, since), Number.POSITIVE_INFINITY);
        return { model, waiting: queue.length, oldestWaitMs: clock.now() - oldest };
      }),

    /**
     * True when a newcomer for `model` must not go before those who wait for it. Those who cannot use every node let it
     * pass: what it can use they cannot, or they would not wait.
     */
    hasWaiters: (model: ModelKey): boolean => queues.get(model)?.some(({ passesOn }) => !passesOn) ?? false,

    /** Capacity may have changed: the first of every model's waiters looks, who has waited longest first. */
    wake(): void {
      const first = Array.from(queues.values(), ([waiter]) => waiter);
      first.sort((a, b) => (a?.since ?? 0) - (b?.since ?? 0));
      for (const waiter of first) wake(waiter);
    },

    /** Draws a ticket, or null when the room is full. Who was placed already always finds room: it is one that was let in. */
    enter(model: ModelKey, signal: AbortSignal, options: WaiterOptions = {}): Ticket | null {
      const { front = false, waitedMs = 0, deadlineAt = Number.POSITIVE_INFINITY } = options;
      if (!front && !hasRoomFor(model)) return null;
      const enteredAt = clock.now();
      const waiter: Waiter = { resolve: null, woken: false, passesOn: false, since: enteredAt - waitedMs };
      const queue = queues.get(model) ?? [];
      queues.set(model, queue);
      if (front) queue.unshift(waiter);
      else queue.push(waiter);
      // It may have seen a place, and entered only so as not to overtake anybody. Alone, it saw none.
      const position = front ? 1 : queue.length;
      waiter.woken = queue.length > 1 && mayLook(queue, position - 1);
      length++;

      let present = true;
      const leave = () => {
        if (!present) return;
        present = false;
        length--;
        const index = queue.indexOf(waiter);
        queue.splice(index, 1);
        if (queue.length === 0) queues.delete(model);
        else if (mayLook(queue, index)) wake(queue[index]);
      };

      return {
        position,
        leave,
        [Symbol.dispose]: leave,
        turn(passOn) {
          if (signal.aborted) return Promise.resolve("left");
          if (stopping.aborted) return Promise.resolve("stopping");
          const remaining = Math.min(waiter.since + timeoutMs, deadlineAt) - clock.now();
          if (remaining <= 0) return Promise.resolve("timeout");
          waiter.passesOn = passOn;
          if (passOn) {
            const next = queue.indexOf(waiter) + 1;
            if (mayLook(queue, next)) wake(queue[next]);
          }
          if (waiter.woken) {
            waiter.woken = false;
            return Promise.resolve("look");
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
