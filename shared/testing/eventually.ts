/** Waiting in a test for what shall become true, instead of sleeping for as long as it may take. */

/** Looks every `lookMs` milliseconds until a look no longer throws; rejects with its last error after `giveUpMs`. */
export function eventuallyWithin(giveUpMs: number, lookMs: number) {
  return async <T>(look: () => T | Promise<T>): Promise<T> => {
    const giveUpAt = performance.now() + giveUpMs;
    for (;;) {
      try {
        return await look();
      } catch (error) {
        if (performance.now() > giveUpAt) throw error;
        await Bun.sleep(lookMs);
      }
    }
  };
}
