/** Work that is wanted again and again, done at once and then no more often than so. */
import type { Clock } from "./clock.ts";

export interface AtMostEvery {
  /** Does it now, or as soon as its time has come. */
  want(): void;
  /** Does at once what is wanted, if anything is; later wishes are done at once each. */
  stop(): void;
}

/** Part of the time that the work may take, 1 in so many. */
const ONE_PART_IN = 20;

/** `run`, at most every `ms` milliseconds, and less often where it takes long. */
export function atMostEvery(clock: Clock, ms: number, run: () => void): AtMostEvery {
  let next = Number.NEGATIVE_INFINITY;
  let cancel: (() => void) | null = null;
  let stopped = false;

  function work(): void {
    cancel = null;
    const began = clock.now();
    run();
    next = began + Math.max(ms, (clock.now() - began) * ONE_PART_IN);
  }

  return {
    want() {
      const rest = next - clock.now();
      if (stopped || rest <= 0) work();
      else cancel ??= clock.after(rest, work);
    },
    stop() {
      stopped = true;
      if (cancel === null) return;
      cancel();
      work();
    },
  };
}
