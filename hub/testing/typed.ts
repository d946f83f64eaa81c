/** Commands of `ollama-hub` as somebody types them beside a hub, without a process of their own. */
import { type CommandEnvironment, runCommand } from "../commands/command_line.ts";

/** How it ended, and everything it said. */
export interface Typed {
  readonly code: number;
  readonly text: string;
}

/** Runs `ollama-hub` with these words; it is now unless told otherwise. */
export function typed(
  words: readonly string[],
  about: Pick<CommandEnvironment, "environment" | "service"> & Partial<Pick<CommandEnvironment, "now">>,
): Typed {
  const lines: string[] = [];
  const say = (text: string) => void lines.push(text);
  const code = runCommand(words, { now: () => new Date(), ...about, print: say, complain: say });
  return { code, text: lines.join("\n") };
}

/** The same on a state folder, for what has to come off: throws what it complained of, else returns what it printed. */
export function command(stateDir: string, ...words: string[]): string {
  const { code, text } = typed(words, { environment: { STATE_DIR: stateDir } });
  if (code !== 0) throw new Error(text);
  return text;
}

/** The key that was printed, "" where there is none. */
export function secretIn(printed: string): string {
  return /ohk_[\w-]{43}/.exec(printed)?.[0] ?? "";
}
