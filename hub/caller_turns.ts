/**
 * Whose turn it is among those who are first in the queues of different models: the caller that was served least of late,
 * by weight (start-time fair queueing). Without it one caller's hundred requests for one model, who all came before,
 * would keep a slot that both models can use from another caller's single request for the other.
 */
import type { Caller } from "./policy/callers.ts";

type Served = Pick<Caller, "id" | "weight">;

/** Callers that are remembered; beyond that all begin anew. */
const MOST_CALLERS = 1_000;

export interface CallerTurns {
  /** The caller's next turn in virtual time: the lowest goes first. One that has not waited before is not behind. */
  of(caller: Served): number;
  /** One of the caller's requests found its place. */
  served(caller: Served): void;
}

/** Turns of callers none of which has been served yet. */
export function createCallerTurns(): CallerTurns {
  /** The turn that was served last. */
  let now = 0;
  /** When the next turn of each caller comes; who is not there, or is before `now`, has lost none. */
  const next = new Map<string, number>();
  const of = ({ id }: Served) => Math.max(now, next.get(id) ?? 0);

  return {
    of,
    served(caller) {
      const turn = of(caller);
      now = turn;
      if (next.size >= MOST_CALLERS) next.clear();
      next.set(caller.id, turn + 1 / caller.weight);
    },
  };
}
