/** What grows with the fleet, and how far: `bun bench/growth.ts`, at most two minutes. Figures beside what they should be. */
import { heartbeats } from "./growth/heartbeats.ts";
import { largeFleet } from "./growth/large_fleet.ts";
import { selection } from "./growth/selection.ts";
import { type Row, textOf } from "./growth/table.ts";
import { waiting } from "./growth/waiting.ts";

const PARTS: Readonly<Record<string, () => Promise<Row[]> | Row[]>> = { selection, waiting, heartbeats, largeFleet };

const wanted = process.argv.slice(2);
for (const [name, part] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n${name}\n${textOf(await part())}`);
}
process.exit(0);
