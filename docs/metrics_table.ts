/** The tables of docs/metrics.md, written from the programs' own definitions. `bun docs/metrics_table.ts` puts them there. */
import { join } from "node:path";
import { createHubMetrics, type HubMetricsDeps } from "../hub/observe/metrics.ts";
import { createNodeMetrics, type NodeMetricsDeps } from "../node/metrics.ts";
import { systemClock } from "../shared/clock.ts";
import type { Definition } from "../shared/metrics.ts";

export const METRICS_PAGE = join(import.meta.dir, "metrics.md");

/** What hub and node tell, without starting them: nothing is read before a scrape. */
export function allDefinitions(): { readonly hub: readonly Definition[]; readonly node: readonly Definition[] } {
  const hub = createHubMetrics({ clock: systemClock } as HubMetricsDeps);
  const node = createNodeMetrics({ clock: systemClock } as NodeMetricsDeps);
  hub.stop();
  node.stop();
  return { hub: hub.definitions, node: node.definitions };
}

/** `text` with its three tables between their markers as the programs are now. */
export function withMetricsTables(text: string): string {
  const { hub, node } = allDefinitions();
  const shared = hub.filter(({ name }) => node.some((each) => each.name === name));
  const only = (all: readonly Definition[]) => all.filter(({ name }) => !shared.some((each) => each.name === name));
  return fill(fill(fill(text, "both", shared), "hub", only(hub)), "node", only(node));
}

function fill(text: string, name: string, rows: readonly Definition[]): string {
  const begin = `<!-- ${name} metrics: bun docs/metrics_table.ts -->`;
  const end = `<!-- end of ${name} metrics -->`;
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`metrics.md has lost its lines ${begin} and ${end}`);
  const lines = rows.map(({ name, type, labels, help }) => {
    return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`;
  });
  const head = "\n| Metric | Type | Labels | What it tells |\n| --- | --- | --- | --- |\n";
  return [before, begin, head, lines.join("\n"), "\n", end, after].join("");
}

if (import.meta.main) await Bun.write(METRICS_PAGE, withMetricsTables(await Bun.file(METRICS_PAGE).text()));
