/** Figures beside their targets, as lines. */

export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** "<= 5" or ">= 5000"; none where it is only told. */
  readonly target?: readonly ["<=" | ">=", number];
}

/** For a terminal. */
export function textOf(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ what }) => what.length));
  return rows
    .map((row) => `  ${row.what.padEnd(width)} ${shown(row.value).padStart(9)} ${row.unit.padEnd(4)} ${verdict(row)}`)
    .join("\n");
}

/** For a document. */
export function markdownOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => `| ${row.what} | ${shown(row.value)} ${row.unit} | ${verdict(row)} |`);
  return ["| | measured | target |", "| --- | ---: | --- |", ...lines].join("\n");
}

/** The target and whether it is met; nothing where there is none. */
function verdict({ value, target }: Row): string {
  if (!target) return "";
  const [sign, bound] = target;
  const met = sign === "<=" ? value <= bound : value >= bound;
  return `${sign === "<=" ? "≤" : "≥"} ${bound} ${met ? "met" : "**missed**"}`;
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
