/** How many names the hub has not heard of yet it takes in: of one source and altogether. */
import { type Address, scopeOf } from "../../shared/address.ts";
import type { Clock } from "../../shared/clock.ts";
import { sourceOf } from "../../shared/networks.ts";

/** Nodes in the table. */
export const MOST_NODES = 10_000;
/** New names from one address within an hour. Behind one there is a machine, or a router with some dozens. */
export const MOST_NEW_NAMES = 256;
const HOUR_MS = 3_600_000;
/** Sources that are counted; to be forgotten among them, one has to bring other sources, not other names. */
const MOST_SOURCES = 10_000;

export interface NewcomersDeps {
  readonly clock: Pick<Clock, "now">;
  /** Nodes in the table now. */
  readonly nodes: () => number;
}

export interface Newcomers {
  /** Null when a heartbeat from `source` may bring one more name, which counts it; else why not. */
  whyNot(source: Address): string | null;
}

/** Nobody has come yet. */
export function createNewcomers({ clock, nodes }: NewcomersDeps): Newcomers {
  const counts = new Map<string, { names: number; since: number }>();

  function countOf(from: string): { names: number; since: number } {
    const known = counts.get(from);
    const count = known !== undefined && clock.now() - known.since < HOUR_MS ? known : { names: 0, since: clock.now() };
    counts.delete(from);
    counts.set(from, count);
    if (counts.size > MOST_SOURCES) counts.delete(counts.keys().next().value ?? "");
    return count;
  }

  return {
    whyNot(source) {
      if (nodes() >= MOST_NODES) return `this hub has ${MOST_NODES} nodes already, and takes no other names`;
      // Who is on this machine may start as many agents as it likes.
      if (scopeOf(source) === "loopback") return null;
      const from = sourceOf(source);
      const count = countOf(from);
      if (count.names >= MOST_NEW_NAMES) {
        return `${MOST_NEW_NAMES} nodes with new names came from ${from} within an hour: this hub takes no more of them now`;
      }
      count.names += 1;
      return null;
    },
  };
}
