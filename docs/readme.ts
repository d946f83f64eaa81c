/** What README.md prints to be typed in: fenced blocks, and commands in the running text. */
import { README } from "./settings_table.ts";

export interface Block {
  /** What stands after the opening fence; "" for pictures made of text. */
  readonly language: string;
  readonly code: string;
}

export const readme = await Bun.file(README).text();

export const blocks: readonly Block[] = [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(
  ([, language = "", code = ""]) => ({ language, code }),
);

/** README.md without its fenced blocks. */
const prose = readme.replace(/^```[\s\S]*?^```$/gm, "");

/** Programs whose name at the start of code in the text makes it a command. */
const PROGRAMS = "bun|curl|docker|ip|journalctl|launchctl|npm|ping|sh|ss|sudo|systemctl|tail|ufw";
const COMMAND = new RegExp(String.raw`^(?:[A-Z_]+=\S+ )*(?:${PROGRAMS}) `);

/** Commands in the text, such as `npm run check`, without repetitions. */
export const inlineCommands: readonly string[] = [
  ...new Set(Array.from(prose.matchAll(/`([^`\n]+)`/g), ([, code = ""]) => code).filter((code) => COMMAND.test(code))),
];

/** The part of README.md under the heading `title`, to the next one of its level. */
export function section(title: string): string {
  const from = readme.indexOf(`\n## ${title}\n`);
  if (from < 0) throw new Error(`README.md has no section ${title}`);
  const to = readme.indexOf("\n## ", from + 1);
  return readme.slice(from, to < 0 ? undefined : to);
}
