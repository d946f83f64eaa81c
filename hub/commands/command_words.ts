/** What all commands share: one name on the line, a table as an answer, and the words for what makes no sense. */

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
