/**
 * What grows with the fleet, and how far: `bun bench/growth.ts`, about two minutes, writes docs/growth.md. With the names of
 * parts it runs only these, and writes nothing.
 */
import { join } from "node:path";
import { buildStamp } from "../release/compile.ts";
import { ROOT } from "../release/lockfile.ts";
import { heartbeats } from "./growth/heartbeats.ts";
import { largeFleet } from "./growth/large_fleet.ts";
import { selection } from "./growth/selection.ts";
import { markdownOf, type Row, textOf } from "./growth/table.ts";
import { waiting } from "./growth/waiting.ts";

interface Part {
  readonly title: string;
  run(): Promise<Row[]> | Row[];
}

const PARTS: Readonly<Record<string, Part>> = {
  selection: { title: "Choosing a node", run: selection },
  waiting: { title: "Waiting", run: waiting },
  heartbeats: { title: "Heartbeats beside 100 streams", run: heartbeats },
  largeFleet: { title: "10,000 nodes", run: largeFleet },
};

const wanted = process.argv.slice(2);
const sections: string[] = [];
for (const [name, { title, run }] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const rows = await run();
  console.log(`\n${title}\n${textOf(rows)}`);
  sections.push(`## ${title}\n\n${markdownOf(rows)}`);
}
if (wanted.length === 0) {
  const { commit, date } = await buildStamp();
  await Bun.write(
    join(ROOT, "docs", "growth.md"),
    `# Growth

\`bun bench/growth.ts\` writes this file; nobody edits it by hand. What a hub costs when the fleet, the queue or the heartbeats
are many, beside what it should cost. Hub and nodes share two processors here, so heartbeats and streams compete for one.

${sections.join("\n\n")}

Commit ${commit}, ${date}; Bun ${Bun.version}.
`,
  );
}
process.exit(0);
