/** What all commands share: what stands on the line, a table as an answer, and the words for what makes no sense. */
import type { HubConfig } from "../config.ts";

/** What a command is given besides what was typed. */
export interface About {
  readonly now: () => Date;
  readonly print: (text: string) => void;
}

/** Where a hub keeps what the commands change, and how it lets nodes in. */
export interface Folder {
  readonly stateDir: string;
  readonly mode: HubConfig["join"];
}

/** Kinds of options, for parseArgs. */
export const VALUE = { type: "string" } as const;
export const SWITCH = { type: "boolean" } as const;

/** What was typed makes no sense, or names what is not there. */
export class Mistake extends Error {}

/** The only one of `args`; throws a Mistake that says `wanted` where there are none or more. */
export function onlyOne(args: readonly string[], wanted: string): string {
  const [one, ...more] = args;
  if (one === undefined || more.length > 0 || one.startsWith("-")) throw new Mistake(wanted);
  return one;
}

/** `rows` with their columns below each other. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The number in `text`, null where there is none; throws a Mistake for anything else. */
export function numberOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new Mistake(`"${text}" is not a number`);
  return value;
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d`, `24h`, `15m` from `now` on, or a date; throws a Mistake for a time that is over, or none. */
export function expiryOf(text: string, now: Date): Date {
  const [, amount, unit = ""] = /^(\d+)([mhd])$/.exec(text) ?? [];
  const at = amount === undefined ? new Date(text) : new Date(now.getTime() + Number(amount) * (UNITS[unit] ?? 0));
  if (Number.isNaN(at.getTime()) || at <= now)
    throw new Mistake(`"${text}" is no time to come such as 30d, 24h or 2027-01-31`);
  return at;
}
