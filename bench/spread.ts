/** Middle and range of repeated measurements, and what two contenders of the same round are to each other. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The value below which `share` (0 to 1) of `sorted` lies; NaN where there is none. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Median with the least and the greatest of `values`; what could not be measured (NaN, infinite) is left out. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.filter(Number.isFinite).toSorted((one, other) => one - other);
  if (sorted.length === 0) return null;
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return { median, min: quantile(sorted, 0), max: quantile(sorted, 1) };
}

/** `combine` of each round's two values. Rounds are compared with themselves: the machine's mood is in both. */
export function inPairs(
  ours: readonly number[],
  theirs: readonly number[],
  combine: (our: number, their: number) => number,
): number[] {
  return ours.slice(0, theirs.length).map((our, round) => combine(our, theirs[round] ?? Number.NaN));
}

/** `our` times `their`; NaN where there is nothing to divide by, as when noise hides what a proxy adds. */
export function times(our: number, their: number): number {
  return their > 0 ? our / their : Number.NaN;
}
