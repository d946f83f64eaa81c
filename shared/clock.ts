/** Time as an argument: monotonic milliseconds for every lease and timer, the wall clock only for what people read. */

export interface Clock {
  /** Monotonic milliseconds since an arbitrary start. Never jumps when somebody sets the wall clock. */
  now(): number;
  /** The wall clock. For timestamps in answers and logs, never for a decision. */
  wall(): Date;
  /** Calls `run` once after `ms` milliseconds, unless the returned function was called before. */
  after(ms: number, run: () => void): () => void;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => new Date(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Calls `run` every `ms` milliseconds until the returned function is called. A slow `run` is never started twice. */
export function every(clock: Clock, ms: number, run: () => unknown): () => void {
  let stopped = false;
  let cancel = clock.after(ms, tick);
  async function tick(): Promise<void> {
    try {
      await run();
    } finally {
      // A run that failed is reported as an unhandled rejection; the next one still comes.
      if (!stopped) cancel = clock.after(ms, tick);
    }
  }
  return () => {
    stopped = true;
    cancel();
  };
}
