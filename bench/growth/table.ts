/** Figures beside their targets, as lines. */

export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** "<= 5" or ">= 5000"; none where it is only told. */
  readonly target?: readonly ["<=" | ">=", number];
}

export function textOf(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ what }) => what.length));
  return rows
    .map(({ what, value, unit, target }) => {
      const figure = `${shown(value).padStart(9)} ${unit.padEnd(4)}`;
      if (!target) return `  ${what.padEnd(width)} ${figure}`;
      const [sign, bound] = target;
      const met = sign === "<=" ? value <= bound : value >= bound;
      return `  ${what.padEnd(width)} ${figure}  ${sign === "<=" ? "≤" : "≥"} ${bound} ${met ? "met" : "MISSED"}`;
    })
    .join("\n");
}

function shown(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(2);
}

/** The middle one. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function percentile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN;
}

/** Microseconds that one of `rounds` runs of `work` takes: the least of several goes, since what else runs here only adds. */
export function microseconds(work: () => void, rounds: number, goes = 11): number {
  const times: number[] = [];
  for (let go = 0; go < goes + 2; go++) {
    const [began, spent] = [performance.now(), process.cpuUsage()];
    for (let round = 0; round < rounds; round++) work();
    const { user, system } = process.cpuUsage(spent);
    // Time in which others had the processor does not count. The first ones are the compiler's.
    if (go >= 2) times.push(Math.min((performance.now() - began) * 1000, user + system) / rounds);
  }
  return Math.min(...times);
}
