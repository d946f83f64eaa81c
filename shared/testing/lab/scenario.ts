/** What a scenario is, what it is given and what it finds: figures against their targets, and broken promises. */
import type { Arena, Ground } from "./arena.ts";
import { check, type Promises, USUAL, type Violation } from "./checker.ts";
import type { Firewall } from "./firewall.ts";
import { isInterrupted, isLost, type Operation } from "./history.ts";
import type { Random } from "./seeded_random.ts";

/** How long a run is: `short` for CI, `usual`, or `long` for as many minutes as asked. */
export type Length = "short" | "usual" | "long";

export interface Lab {
  readonly seed: number;
  readonly length: Length;
  readonly ground: Ground;
  /** Null without a network namespace of the lab's own. */
  readonly firewall: Firewall | null;
  /** The generator of the part called `name`. */
  random(name: string): Random;
  /** One of three by the run's length; the last one grows with --minutes above 60 and shrinks below. */
  pick(short: number, usual: number, long: number): number;
  /** Prints a line for people. */
  say(text: string): void;
}

export interface Figure {
  readonly what: string;
  /** How many things were measured. */
  readonly n: number;
  readonly measured: string;
  readonly target: string;
  /** Null where nothing was promised: reported only. */
  readonly pass: boolean | null;
}

export interface Findings {
  readonly figures: readonly Figure[];
  readonly violations: readonly Violation[];
  readonly operations: number;
  readonly executions: number;
  /** What happened, or could not, in sentences. */
  readonly notes: readonly string[];
}

export interface Scenario {
  /** For --only. */
  readonly name: string;
  readonly title: string;
  /** Why it cannot be run without a namespace; null where it can. */
  readonly needsNamespace: string | null;
  run(lab: Lab): Promise<Findings>;
}

/** The value below which `share` (0 to 1) of `values` lie; NaN without any. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** A figure of a number of things that should not be. */
export function countFigure(what: string, n: number, count: number, most = 0): Figure {
  return { what, n, measured: String(count), target: most === 0 ? "0" : `≤ ${most}`, pass: n > 0 && count <= most };
}

/** A figure of durations in milliseconds, whose 99th percentile has a target. */
export function delayFigure(what: string, ms: readonly number[], targetMs: number | null): Figure {
  const [p50, p99] = [quantile(ms, 0.5), quantile(ms, 0.99)];
  return {
    what,
    n: ms.length,
    measured: ms.length === 0 ? "not measured" : `p50 ${shown(p50)}, p99 ${shown(p99)}, max ${shown(Math.max(...ms))}`,
    target: targetMs === null ? "–" : `p99 ≤ ${shown(targetMs)}`,
    pass: targetMs === null ? null : p99 <= targetMs,
  };
}

/** Milliseconds for people. */
export function shown(ms: number): string {
  if (Number.isNaN(ms)) return "–";
  return Math.abs(ms) >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

/** Waits until nothing runs any more, then checks everything that happened in `arena`. */
export async function judge(arena: Arena, promises: Partial<Promises> = {}, settleMs = 5000): Promise<Violation[]> {
  await arena.settle(settleMs);
  return check(arena.history(), { ...USUAL, ...promises });
}

/** The figures every scenario under load has; `lost` is how many may be lost, null where that is not promised. */
export function safetyFigures(
  operations: readonly Operation[],
  violations: readonly Violation[],
  lost: number | null = 0,
): Figure[] {
  const n = operations.length;
  const broken = (...kinds: string[]) => violations.filter(({ breach }) => kinds.includes(breach)).length;
  const gone = operations.filter(isLost).length;
  const interrupted = operations.filter(isInterrupted).length;
  return [
    lost === null ? reported("requests refused or lost", n, gone) : countFigure("requests lost", n, gone, lost),
    reported("streams broken after their first byte, with an error frame", n, interrupted),
    countFigure("silent truncations", n, broken("silent")),
    countFigure("mixed, foreign, duplicated or incomplete answers", n, broken("mixed", "incomplete")),
    countFigure("hangs", n, broken("hang")),
    countFigure("more than 3 executions, or two outcomes", n, broken("executions", "outcomes")),
    countFigure("executions left running", n, broken("orphan")),
  ];
}

/** A number of which nothing was promised. */
export function reported(what: string, n: number, count: number): Figure {
  return { what, n, measured: String(count), target: "–", pass: null };
}

/** The findings of a scenario that played in one arena. */
export function findings(
  arena: Arena,
  figures: readonly Figure[],
  violations: readonly Violation[],
  notes: readonly string[] = [],
): Findings {
  const { operations, executions } = arena.history();
  return { figures, violations, operations: operations.length, executions: executions.length, notes };
}

/** How operations ended, for a note. */
export function outcomesOf(operations: readonly Operation[]): string {
  const counts = new Map<string, number>();
  for (const { outcomes, status } of operations) {
    const name =
      outcomes[0] === "refused" ? `refused ${status === 0 ? "(no connection)" : status}` : outcomes.join("+");
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Array.from(counts, ([name, count]) => `${name} ${count}`).join(", ");
}
