/** The scorecard: what was measured against what was promised, for the terminal and for docs/reliability.md. */
import type { Figure, Findings, Scenario } from "./scenario.ts";

/** A scenario that was run, or why it was not. */
export interface Played {
  readonly scenario: Pick<Scenario, "name" | "title">;
  /** Seconds. */
  readonly took: number;
  readonly findings: Findings | null;
  /** Why there are no findings. */
  readonly skipped: string | null;
}

/** The circumstances, all found out by the program. */
export interface Circumstances {
  readonly commit: string;
  readonly date: string;
  readonly seed: number;
  readonly length: string;
  readonly command: string;
  readonly machine: string;
  readonly versions: string;
  readonly ground: string;
}

const verdict = ({ pass }: Figure) => (pass === null ? "reported" : pass ? "pass" : "MISS");

/** Safety is everything that may never happen, on however slow a machine. Figures of time may be missed on one. */
export function brokenPromises(played: readonly Played[]): number {
  return played.reduce((sum, { findings }) => sum + (findings?.violations.length ?? 0), 0);
}

/** The table as aligned text. */
export function textTable(played: readonly Played[]): string {
  const rows = [["scenario", "figure", "N", "measured", "target", "verdict"]];
  for (const { scenario, findings, skipped } of played) {
    if (findings === null) rows.push([scenario.name, skipped ?? "", "", "", "", "not run"]);
    for (const figure of findings?.figures ?? []) {
      rows.push([scenario.name, figure.what, String(figure.n), figure.measured, figure.target, verdict(figure)]);
    }
  }
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const KEPT_VIOLATIONS = 20;

/** The whole of docs/reliability.md. */
export function documentOf(played: readonly Played[], about: Circumstances): string {
  const violations = brokenPromises(played);
  const lines = [
    "# Reliability: what was measured",
    "",
    "This page is written by `bun run lab`; nothing in it was typed by hand. A real hub and real node agents run under",
    "load while nodes are killed, frozen and cut off; every operation of every client and every execution at the stand-in",
    "Ollamas is written down, and a checker compares them (`shared/testing/lab/checker.ts`).",
    "",
    ...Object.entries({
      Commit: about.commit,
      Date: about.date,
      Seed: String(about.seed),
      Length: about.length,
      Machine: about.machine,
      Versions: about.versions,
      Ground: about.ground,
    }).map(([name, value]) => `- ${name}: ${value}`),
    "",
    `To repeat it: \`${about.command}\`. The seed chooses victims, times and requests; what the machine does meanwhile it`,
    "does not. Targets are those of the project; a missed one is shown as it is.",
    "",
    "## Scorecard",
    "",
    `Broken promises of safety (lost, silent, mixed, hung, executed too often, left running): **${violations}**.`,
    "",
    "| scenario | figure | N | measured | target | verdict |",
    "| --- | --- | --- | --- | --- | --- |",
  ];
  for (const { scenario, findings, skipped } of played) {
    if (findings === null) lines.push(`| ${scenario.name} | not run: ${skipped} | 0 | – | – | – |`);
    for (const figure of findings?.figures ?? []) {
      const cells = [scenario.name, figure.what, figure.n, figure.measured, figure.target, verdict(figure)];
      lines.push(`| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |`);
    }
  }
  lines.push("", "## What was done");
  for (const { scenario, findings, took, skipped } of played) {
    lines.push("", `### ${scenario.name}: ${scenario.title}`, "");
    if (findings === null) {
      lines.push(`Not run: ${skipped}`);
      continue;
    }
    lines.push(`${findings.operations} operations, ${findings.executions} executions, ${took.toFixed(0)} s.`);
    for (const note of findings.notes) lines.push(`- ${note}`);
    const shown = findings.violations.slice(0, KEPT_VIOLATIONS);
    for (const { breach, operation, detail } of shown) lines.push(`- **${breach}** ${operation}: ${detail}`);
    const more = findings.violations.length - shown.length;
    if (more > 0) lines.push(`- and ${more} more`);
  }
  return `${lines.join("\n")}\n`;
}
