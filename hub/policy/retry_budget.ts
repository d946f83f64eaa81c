/** How many requests may be on a second try at once: a fleet that fails everything must not get twice the work. */
import { type FailureKind, RULES } from "./failover.ts";

export interface RetryFacts {
  /** Requests that are at nodes, or were within the last second. */
  readonly active: number;
  /** Those of them that were let try again after a failure that needs this budget. */
  readonly retries: number;
}

/** One for every five that are on their first try, as Envoy's budget of 20 %. */
const SHARE = 0.2;
/** A small fleet has always that many: with two requests, 20 % would be none. */
const LEAST = 3;

/** True when one more of the active requests may try again: at most a fifth of the others are ever retries, or 3. */
export function hasBudget({ active, retries }: RetryFacts): boolean {
  const after = retries + 1;
  return after <= Math.max(LEAST, SHARE * (active - after));
}

/**
 * True when the try after these `failures` has to fit the budget. What never reached a node costs it nothing, nor does
 * a request's first loss: killing one of four nodes has more than 20 % of all requests try again, and none is lost.
 */
export function needsBudget(failures: readonly FailureKind[]): boolean {
  const last = failures.at(-1);
  if (last === undefined) return false;
  switch (RULES[last].budget) {
    case "needed":
      return true;
    case "first free":
      return failures.filter((kind) => RULES[kind].budget === "first free").length > 1;
    default:
      return false;
  }
}
