/** Saying a thing once in a while: what strangers do must not fill the log, nor ever go by unseen for good. */
import type { Clock } from "../shared/clock.ts";

/** True for what was not said for `everyMs` milliseconds; at most `most` things in that time. */
export function createRarely(clock: Pick<Clock, "now">, everyMs: number, most: number): (what: string) => boolean {
  /** Monotonic ms at which it was said; the one said first comes first. */
  const said = new Map<string, number>();
  return (what) => {
    const now = clock.now();
    for (const [old, at] of said) {
      if (now - at < everyMs) break;
      said.delete(old);
    }
    if (said.has(what) || said.size >= most) return false;
    said.set(what, now);
    return true;
  };
}
