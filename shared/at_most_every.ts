/** Work that is wanted again and again, done at once and then no more often than so. */
import type { Clock } from "./clock.ts";

export interface AtMostEvery {
  /** Does it now, or as soon as its time has come. */
  want(): void;
  /** Does at once what is wanted, if anything is; later wishes are done at once each. */
  stop(): void;
}

/** `run`, at most every `ms` milliseconds. */
export function atMostEvery(clock: Clock, ms: number, run: () => void): AtMostEvery {
  let last = Number.NEGATIVE_INFINITY;
  let cancel: (() => void) | null = null;
  let stopped = false;

  function work(): void {
    cancel = null;
    last = clock.now();
    run();
  }

  return {
    want() {
      const rest = last + ms - clock.now();
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
