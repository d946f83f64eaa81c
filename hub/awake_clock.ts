/** Time in which the hub itself ran: a process that stood still could hear nobody, so no lease or timer counts that time. */
import type { Clock } from "../shared/clock.ts";

/** Milliseconds between two looks at the time that mean a suspend or SIGSTOP. The registry is swept every second. */
const GAP_MS = 10_000;

/**
 * `clock` without the time in which this process did not run. Somebody has to ask for `now` at least every second.
 * `onGap` is told the milliseconds of each gap when it is noticed.
 */
export function createAwakeClock(clock: Clock, onGap: (ms: number) => void): Clock {
  let lastLook = clock.now();
  let stoodStill = 0;

  function now(): number {
    const time = clock.now();
    const gap = time - lastLook;
    lastLook = time;
    if (gap > GAP_MS) {
      stoodStill += gap;
      onGap(gap);
    }
    return time - stoodStill;
  }

  return {
    now,
    wall: () => clock.wall(),
    after(ms, run) {
      const due = now() + ms;
      let cancel = clock.after(ms, look);
      function look(): void {
        const rest = due - now();
        if (rest <= 0) run();
        else cancel = clock.after(rest, look);
      }
      return () => cancel();
    },
  };
}
