/** The README's tables of settings, written from the programs' own. `bun docs/settings_table.ts` puts them there. */
import { join } from "node:path";
import { HUB_SETTINGS } from "../hub/config.ts";
import { nodeSettings } from "../node/config.ts";
import { describeSettings } from "../shared/settings.ts";

export const README = join(import.meta.dir, "../README.md");

type Row = readonly [variable: string, fallback: string, doc: string];

/** `text` with both tables between their markers as the programs' settings are now. */
export function withSettingsTables(text: string): string {
  return fill(fill(text, "hub", describeSettings(HUB_SETTINGS)), "node", nodeSettings());
}

function fill(text: string, name: string, rows: readonly Row[]): string {
  const begin = `<!-- ${name} settings: bun docs/settings_table.ts -->`;
  const end = `<!-- end of ${name} settings -->`;
  const [before, rest] = split(text, begin);
  const [, after] = split(rest, end);
  const lines = rows.map(
    ([variable, fallback, doc]) => `| \`${variable}\` | ${fallback && `\`${fallback}\``} | ${doc} |`,
  );
  return [
    before,
    begin,
    "\n| Variable | Default | Meaning |\n| --- | --- | --- |\n",
    lines.join("\n"),
    "\n",
    end,
    after,
  ].join("");
}

function split(text: string, marker: string): [string, string] {
  const at = text.indexOf(marker);
  if (at < 0) throw new Error(`README.md has lost its line ${marker}`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}

if (import.meta.main) await Bun.write(README, withSettingsTables(await Bun.file(README).text()));
