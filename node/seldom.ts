/** Things that may happen thousands of times a second, told now and then. */
import type { Clock } from "../shared/clock.ts";

/** Milliseconds. */
const SELDOM_MS = 10_000;

/** `tell`, but at most once in SELDOM_MS, with how often it would have been told since the last time. */
export function seldom(clock: Clock, tell: (what: string, times: number) => void): (what: string) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  let times = 0;
  return (what) => {
    times += 1;
    if (clock.now() - toldAt < SELDOM_MS) return;
    toldAt = clock.now();
    tell(what, times);
    times = 0;
  };
}
