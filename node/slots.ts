/** The places at the local Ollama: at most `size` requests are there at once, and each place is given back once. */
import type { Clock } from "../shared/clock.ts";

/** One request's place at Ollama. */
export interface Slot {
  /** To be called when the first byte of the answer is there. */
  answered(): void;
  /** Gives the place back. Calling it again does nothing. */
  release(): void;
}

export interface Slots {
  readonly size: number;
  /** Places taken. */
  readonly running: number;
  /** Requests that wait for one. */
  readonly waiting: number;
  /** Requests at Ollama of which no byte of an answer has come: in its queue, at a load, or at work on the prompt. */
  readonly silent: number;
  /**
   * A place for a request for `model`, or null when none came free within `waitMs` milliseconds or `signal` fired
   * before. Who came first is served first.
   */
  take(model: string, signal: AbortSignal): Promise<Slot | null>;
  /** Models of requests that have been at Ollama for more than `ms` milliseconds without a byte, each once. */
  silentModels(ms: number): string[];
  /** Resolves when no place is taken and nobody waits for one. */
  whenIdle(): Promise<void>;
}

export interface SlotsOptions {
  readonly size: number;
  /** Milliseconds a request waits for a place. */
  readonly waitMs: number;
  readonly clock: Clock;
}

interface Held {
  readonly model: string;
  readonly since: number;
  answered: boolean;
}

/** Places for `size` requests at a time. */
export function createSlots({ size, waitMs, clock }: SlotsOptions): Slots {
  const held = new Set<Held>();
  const waiting = new Set<() => void>();
  let whenIdle: (() => void)[] = [];

  function hold(model: string): Slot {
    const place: Held = { model, since: clock.now(), answered: false };
    held.add(place);
    return {
      answered() {
        place.answered = true;
      },
      release() {
        if (!held.delete(place)) return;
        const [next] = waiting;
        next?.();
        reportIdle();
      },
    };
  }

  function reportIdle(): void {
    if (held.size > 0 || waiting.size > 0) return;
    for (const resolve of whenIdle) resolve();
    whenIdle = [];
  }

  return {
    size,
    get running() {
      return held.size;
    },
    get waiting() {
      return waiting.size;
    },
    get silent() {
      let silent = 0;
      for (const { answered } of held) if (!answered) silent++;
      return silent;
    },
    take(model, signal) {
      if (signal.aborted) return Promise.resolve(null);
      if (held.size < size && waiting.size === 0) return Promise.resolve(hold(model));
      return new Promise((resolve) => {
        const stopWaiting = () => {
          waiting.delete(serve);
          cancelTimer();
          signal.removeEventListener("abort", giveUp);
        };
        const serve = () => {
          stopWaiting();
          // The place is taken in the same turn in which it came free, so nobody can slip in between.
          resolve(hold(model));
        };
        const giveUp = () => {
          stopWaiting();
          resolve(null);
          reportIdle();
        };
        const cancelTimer = clock.after(waitMs, giveUp);
        signal.addEventListener("abort", giveUp);
        waiting.add(serve);
      });
    },
    silentModels(ms) {
      const before = clock.now() - ms;
      const silent = [...held].filter((place) => !place.answered && place.since < before);
      return [...new Set(silent.map((place) => place.model))];
    },
    whenIdle() {
      if (held.size === 0 && waiting.size === 0) return Promise.resolve();
      return new Promise((resolve) => whenIdle.push(resolve));
    },
  };
}
