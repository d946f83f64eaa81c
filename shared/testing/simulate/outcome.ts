/** What became of the requests of one simulation, in the figures that are compared. */

/** How one request ended. */
export interface Ended {
  readonly id: number;
  readonly arrivedAt: number;
  readonly kind: "served" | "gave up" | "refused";
  /** Milliseconds to the first token; null where none came. */
  readonly firstMs: number | null;
  readonly nodeId: string | null;
}

export interface NodeWork {
  readonly id: string;
  readonly loads: number;
  /** Ratio of the time: work done as if each request had been alone, by the time that passed. */
  readonly utilization: number;
}

export interface Outcome {
  readonly ended: readonly Ended[];
  readonly nodes: readonly NodeWork[];
  /** Milliseconds from the first arrival to the last. */
  readonly durationMs: number;
}

export interface Figures {
  /** Milliseconds to the first token; a request without one counts with the client's patience. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Part of all requests whose first token came within the objective. */
  readonly goodput: number;
  /** For 1,000 requests. */
  readonly coldLoads: number;
  /** Jain's index of the nodes' utilization: 1 when all are equally busy for their speed. */
  readonly fairness: number;
  /** Part of all requests that got no answer. */
  readonly lost: number;
}

/** Milliseconds after which a client without a first token gives up: the hub's own QUEUE_TIMEOUT. */
export const PATIENCE_MS = 120_000;
/** Milliseconds to the first token that are good. */
export const OBJECTIVE_MS = 10_000;

export function figuresOf({ ended, nodes }: Outcome): Figures {
  const times = ended.map(({ firstMs }) => firstMs ?? PATIENCE_MS).sort((a, b) => a - b);
  const count = Math.max(1, ended.length);
  return {
    p50: percentile(times, 0.5),
    p95: percentile(times, 0.95),
    p99: percentile(times, 0.99),
    goodput: ended.filter(({ firstMs }) => firstMs !== null && firstMs <= OBJECTIVE_MS).length / count,
    coldLoads: (nodes.reduce((sum, { loads }) => sum + loads, 0) / count) * 1000,
    fairness: jain(nodes.map(({ utilization }) => utilization)),
    lost: ended.filter(({ kind }) => kind !== "served").length / count,
  };
}

/** The value below which `part` of the sorted `values` lie. */
export function percentile(values: readonly number[], part: number): number {
  return values[Math.min(values.length - 1, Math.ceil(part * values.length) - 1)] ?? 0;
}

/** Jain's fairness index, from 1/n, one has all, to 1, all have the same. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, each) => total + each, 0);
  const squares = shares.reduce((total, each) => total + each ** 2, 0);
  return squares === 0 ? 1 : sum ** 2 / (shares.length * squares);
}
