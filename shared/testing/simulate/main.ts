/** `bun run simulate`: plays every scenario with every policy and seed, prints the figures and writes the document. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { VERSION } from "../../version.ts";
import { figuresOf } from "./outcome.ts";
import { LEAST_BUSY, LEAST_CONNECTIONS, POLICIES, type Policy, THIS_HUB, USERS_ORDER } from "./policies.ts";
import { type Cell, documentOf, textOf, verdicts } from "./report.ts";
import { run } from "./run.ts";
import type { Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";

const DOCUMENT = join(import.meta.dir, "../../../docs/scheduling.md");
/** So many since what one brings differs by a quarter from what the next does, where nothing else differs. */
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
/** Loads at which the targets are looked at besides the scenarios' own, with fewer policies. */
const OTHER_LOADS = [0.5, 1.3];
const COMPARED = [LEAST_CONNECTIONS, USERS_ORDER, LEAST_BUSY, THIS_HUB];
const HELP = `bun run simulate [--only name] [--seeds 1,2,3] [--requests N] [--output FILE]

  --only      scenarios whose name contains this; the document is not written then
  --seeds     default ${SEEDS.join(",")}
  --requests  for each scenario, instead of its own number; the document is not written then
  --output    where the document goes; default docs/scheduling.md`;

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    seeds: { type: "string" },
    requests: { type: "string" },
    output: { type: "string" },
    help: { type: "boolean", short: "h" },
  },
});

if (flags.help) console.log(HELP);
else await simulate();

async function simulate(): Promise<void> {
  const begun = performance.now();
  const seeds = flags.seeds?.split(",").map(Number) ?? SEEDS;
  const cells: Cell[] = [];
  for (const scenario of SCENARIOS) {
    if (flags.only !== undefined && !scenario.name.includes(flags.only)) continue;
    for (const load of [1, ...OTHER_LOADS]) {
      const policies = load === 1 ? POLICIES : COMPARED;
      const some: Cell[] = [];
      for (const policy of policies) some.push(await play(scenario, policy, load, seeds));
      console.log(textOf(some));
      cells.push(...some);
    }
  }
  for (const { scenario, load, toUsersOrder, met } of verdicts(cells, THIS_HUB)) {
    if (!met)
      console.log(`\nmissed: ${scenario.name} at ${load} ×: p95 is ${toUsersOrder.toFixed(2)} of the user's order's`);
  }
  console.log(`\n${Math.round((performance.now() - begun) / 1000)} s`);
  if (flags.output === undefined && (flags.only ?? flags.requests) !== undefined) return;
  await Bun.write(flags.output ?? DOCUMENT, documentOf({ cells, seeds, version: VERSION }));
}

async function play(scenario: Scenario, policy: Policy, load: number, seeds: readonly number[]): Promise<Cell> {
  const { traffic } = scenario;
  const requests = flags.requests === undefined ? traffic.requests : Number(flags.requests);
  const loaded = { ...scenario, traffic: { ...traffic, requests, perMinute: traffic.perMinute * load } };
  const figures = [];
  for (const seed of seeds) figures.push(figuresOf(await run({ scenario: loaded, policy, seed })));
  return { scenario, policy, load, figures };
}
