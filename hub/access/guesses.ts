/** Keys that this hub does not know: how many each source has shown. One it knows is never in the way of another. */
import type { Clock } from "../../shared/clock.ts";
import type { Logger } from "../../shared/log.ts";
import { NO_LIMITS } from "../policy/callers.ts";
import { createRarely } from "../rarely.ts";
import { createLimits, type OverLimit } from "./limits.ts";

export interface GuessesDeps {
  readonly clock: Clock;
  readonly log: Pick<Logger, "warn">;
}

export type Guesses = ReturnType<typeof createGuesses>;

/** Unknown keys of one source a minute. */
const TRIES = 30;
/** Between two lines of the log about one source, and lines in that time about all. */
const TOLD_MS = 60_000;
const MOST_TOLD = 100;

/** Nothing tried yet. */
export function createGuesses({ clock, log }: GuessesDeps) {
  const limits = createLimits({ clock });
  const rarely = createRarely(clock, TOLD_MS, MOST_TOLD);
  return {
    /** `source` has shown a key that is none. Null, or why it is told no more about it now. */
    tried(source: string): Pick<OverLimit, "sentence" | "headers"> | null {
      if (rarely(source)) log.warn({ source }, "refused a key that is not known here: somebody mistook it, or guesses");
      const entry = limits.enter({ id: source, key: null, limits: { ...NO_LIMITS, rpm: TRIES } });
      if ("lease" in entry) {
        entry.lease.end();
        return null;
      }
      const { retryAfterSeconds, headers } = entry.over;
      const sentence = `more than ${TRIES} unknown keys a minute came from your address: try again in ${retryAfterSeconds} s`;
      return { sentence, headers: { ...headers, "retry-after": String(retryAfterSeconds) } };
    },
  };
}
