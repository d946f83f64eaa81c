/** A limit on how long something may take that happens again and again, such as the next piece of an answer. */
import type { Clock } from "../shared/clock.ts";

export interface IdleLimit {
  /** From now on it runs. */
  begin(): void;
  /** What it waited for has happened. */
  pause(): void;
  /** It is not needed any more. */
  end(): void;
}

/**
 * Calls `onDue` when `ms` milliseconds have passed since `begin` without `pause` or `end`. One timer serves many rounds,
 * set again only when it rings too early: two timers for each token of each stream cost as much as passing it on.
 */
export function createIdleLimit(clock: Clock, ms: number, onDue: () => void): IdleLimit {
  let beganAt: number | null = null;
  let cancel: (() => void) | null = null;

  function look(): void {
    cancel = null;
    if (beganAt === null) return;
    const rest = beganAt + ms - clock.now();
    if (rest <= 0) onDue();
    else cancel = clock.after(rest, look);
  }

  return {
    begin() {
      beganAt = clock.now();
      cancel ??= clock.after(ms, look);
    },
    pause() {
      beganAt = null;
    },
    end() {
      beganAt = null;
      cancel?.();
      cancel = null;
    },
  };
}
