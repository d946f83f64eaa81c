/** A clock that moves only when a test says so. */
import type { Clock } from "../clock.ts";

export interface FakeClock extends Clock {
  /** Moves time forward by `ms`, running what falls due in order, and lets promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock by `ms` without moving monotonic time, as an NTP step does. */
  stepWall(ms: number): void;
  /** Timers that are still waiting. */
  readonly pending: number;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A fake clock that starts at monotonic 0 and wall 2026-01-01T00:00:00Z. */
export function fakeClock(): FakeClock {
  let now = 0;
  let wallOffset = Date.UTC(2026, 0, 1);
  let order = 0;
  const timers = new Set<Timer>();

  function nextDue(until: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of timers) {
      if (timer.at > until) continue;
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer;
    }
    return first;
  }

  return {
    now: () => now,
    wall: () => new Date(wallOffset + now),
    after(ms, run) {
      const timer: Timer = { at: now + ms, order: order++, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (let timer = nextDue(until); timer; timer = nextDue(until)) {
        timers.delete(timer);
        now = timer.at;
        timer.run();
        await settle();
      }
      now = until;
      await settle();
    },
    stepWall(ms) {
      wallOffset += ms;
    },
    get pending() {
      return timers.size;
    },
  };
}

/** Lets every promise that is ready run its continuations; no time passes. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
