/** What was measured, round by round, as it came. */

import type { Name } from "./contender.ts";
import type { Build } from "./hubs.ts";

export interface StreamRound {
  /** Processor time of the contender, microseconds a chunk; NaN for `direct`. */
  readonly cpuUs: number;
  /** Milliseconds from the upstream's write to the client's read. */
  readonly p50: number;
  readonly p99: number;
}

export interface RequestRound {
  readonly perSecond: number;
  /** Processor time, microseconds a request. */
  readonly cpuUs: number;
}

export interface Proof {
  readonly what: string;
  readonly build: Build;
  readonly streams: number;
  /** Streams that were open at the same time. */
  readonly atOnce: number;
  /** Streams that came to their end with every chunk. */
  readonly answered: number;
  readonly mb: number;
}

/** A round of each contender at the same place of each list; who could not be measured has none. */
export interface Measured {
  readonly streams: Map<Name, StreamRound[]>;
  readonly requests: Map<Name, RequestRound[]>;
  /** Milliseconds to the first byte at one connection, p50. */
  readonly firstByte: Map<Name, number[]>;
  /** Megabytes at many near-idle streams. */
  readonly idleStreams: Map<Name, number[]>;
  readonly proofs: Proof[];
  /** Milliseconds from the start to the first answered request, and megabytes of memory at rest. */
  readonly starts: Map<"hub" | "node", { readonly ms: number; readonly mb: number }[]>;
  /** What could not be measured, or went wrong, one sentence each. */
  readonly notes: string[];
}

/** Nothing yet. */
export function nothingMeasured(): Measured {
  return {
    streams: new Map(),
    requests: new Map(),
    firstByte: new Map(),
    idleStreams: new Map(),
    proofs: [],
    starts: new Map(),
    notes: [],
  };
}

/** Puts `round` behind those that `name` has. */
export function addRound<Key, Round>(rounds: Map<Key, Round[]>, name: Key, round: Round): void {
  rounds.set(name, [...(rounds.get(name) ?? []), round]);
}
