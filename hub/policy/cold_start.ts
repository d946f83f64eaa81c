/** How many nodes may bring the same model into memory at once: a load takes a minute, and the next one as long again. */
import { isLoading, type NodeFacts, type Placement } from "./eligibility.ts";

/** Requests that wait for a model while it is loading, after which one more node may load it as well. */
export const WAITERS_PER_LOAD = 16;

/**
 * Milliseconds after which a load is no reason any more to leave another node's copy on its disk. Seven gigabytes from a
 * hard disk take a minute, from anything else less; and a load that hangs must not hold up a model that idle nodes have.
 */
export const LONG_LOAD_MS = 30_000;

/** One node that is loading the model now. */
export interface Load {
  /** Requests that wait on it for this. */
  readonly waiting: number;
  /** Milliseconds for which it has been loading. */
  readonly ms: number;
}

/**
 * Of the nodes that may serve `request`, those that will not start another load of its model while `loads` run and have
 * not run for long. A node that has the model in memory comes before one that is still loading it.
 */
export function withoutNeedlessLoads<Node extends NodeFacts>(
  eligible: readonly Node[],
  loads: readonly Load[],
  request: Placement,
): readonly Node[] {
  if (loads.length === 0 || !request.needs.slot) return eligible;
  const { model } = request;
  const warm = eligible.filter((node) => node.loaded.has(model) || !node.knowsLoaded);
  if (warm.length > 0) return warm;
  const waiting = request.waiting + loads.reduce((sum, load) => sum + load.waiting, 0);
  if (loads.filter(({ ms }) => ms < LONG_LOAD_MS).length < 1 + Math.floor(waiting / WAITERS_PER_LOAD)) {
    const idle = eligible.filter((node) => !isLoading(node, model));
    if (idle.length > 0) return idle;
  }
  return eligible.filter((node) => isLoading(node, model));
}
