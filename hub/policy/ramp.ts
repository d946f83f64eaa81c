/**
 * How much of its share a node gets that has just come back: a tenth at first, all of it half a minute later. A share of
 * what there is: where nobody else has a free slot it is given all that comes, as before it failed.
 */
import type { Trust } from "./ejection.ts";

/** What of a node decides how much it gets. */
export interface Ramped {
  readonly trust: Trust;
  readonly slots: number;
  readonly reserved: number;
}

/** HAProxy's `slowstart`: linear. A machine that is just up again has cold caches and perhaps the old fault. */
export const RAMP_MS = 30_000;
const FIRST_SHARE = 0.1;

/** The part, 0.1 to 1, of its full share that a node has at monotonic `now`. */
export function rampOf(trust: Trust, now: number): number {
  if (trust.kind !== "admitted" || trust.readmittedAt === null) return 1;
  const part = Math.max(0, now - trust.readmittedAt) / RAMP_MS;
  return Math.min(1, FIRST_SHARE + (1 - FIRST_SHARE) * part);
}

/**
 * Active jobs per slot, by which nodes are compared. One that comes back counts as busy with the part of a job that it
 * may not have yet; idle it would else be everybody's first choice, with one slot of four as with all of them.
 */
export function busyness(node: Ramped, now: number): number {
  const ramp = rampOf(node.trust, now);
  return (node.reserved + (1 - ramp)) / (node.slots * ramp);
}
