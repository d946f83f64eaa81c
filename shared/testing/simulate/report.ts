/** What the simulations came to, as a text for the terminal and as docs/scheduling.md. */
import { DEFAULT_CONTEXT, KEEP_ALIVE_MS, SERIAL_SHARE } from "./machine.ts";
import { type Figures, OBJECTIVE_MS, PATIENCE_MS } from "./outcome.ts";
import { LEAST_BUSY, LEAST_CONNECTIONS, type Policy, THIS_HUB, USERS_ORDER } from "./policies.ts";
import type { Scenario } from "./scenario.ts";
import { LENGTHS_STATED } from "./token_lengths.ts";

/** The figures of one policy in one scenario, one entry a seed. */
export interface Cell {
  readonly scenario: Scenario;
  readonly policy: Policy;
  /** Of the scenario's own load. */
  readonly load: number;
  readonly figures: readonly Figures[];
}

export interface Report {
  readonly cells: readonly Cell[];
  readonly seeds: readonly number[];
  readonly version: string;
}

/** The default is never worse than the user's order by more than this part; p95 of the first token. */
const WORSE_AT_MOST = 1.05;
/** On the mixed models it needs at most this part of what least connections needs. */
const MIXED_AT_MOST = 0.6;
const MIXED = "mixed models";

const COLUMNS: readonly [head: string, value: (figures: Figures) => number, digits: number][] = [
  ["p50 s", ({ p50 }) => p50 / 1000, 2],
  ["p95 s", ({ p95 }) => p95 / 1000, 2],
  ["p99 s", ({ p99 }) => p99 / 1000, 1],
  ["goodput %", ({ goodput }) => goodput * 100, 1],
  ["loads per 1,000", ({ coldLoads }) => coldLoads, 0],
  ["fairness", ({ fairness }) => fairness, 2],
  ["lost %", ({ lost }) => lost * 100, 1],
];

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[sorted.length % 2 === 1 ? middle : middle - 1], sorted[middle]];
  return (low + high) / 2;
}

/** Median over the seeds of the p95 of the first token, in milliseconds. */
const p95Of = ({ figures }: Cell) => median(figures.map(({ p95 }) => p95));

function find(cells: readonly Cell[], scenario: Scenario, policy: Policy, load = 1): Cell | undefined {
  return cells.find((cell) => cell.scenario === scenario && cell.policy === policy && cell.load === load);
}

interface Verdict {
  readonly scenario: Scenario;
  readonly load: number;
  readonly policy: Policy;
  readonly toUsersOrder: number;
  readonly toLeastConnections: number;
  readonly met: boolean;
}

/** Whether `policy` reaches the targets in every scenario at every load. */
export function verdicts(cells: readonly Cell[], policy: Policy): Verdict[] {
  return cells.flatMap((cell) => {
    if (cell.policy !== policy) return [];
    const { scenario, load } = cell;
    const [user, least] = [find(cells, scenario, USERS_ORDER, load), find(cells, scenario, LEAST_CONNECTIONS, load)];
    if (!user || !least) return [];
    const toUsersOrder = p95Of(cell) / p95Of(user);
    const toLeastConnections = p95Of(cell) / p95Of(least);
    const met = toUsersOrder <= WORSE_AT_MOST && (scenario.name !== MIXED || toLeastConnections <= MIXED_AT_MOST);
    return [{ scenario, load, policy, toUsersOrder, toLeastConnections, met }];
  });
}

/** One scenario's table for the terminal: medians. */
export function textOf(cells: readonly Cell[]): string {
  const [first] = cells;
  if (!first) return "";
  const lines = cells.map(({ policy, figures }) =>
    [
      policy.name.padEnd(18),
      ...COLUMNS.map(([head, value, digits]) => shown(figures, value, digits).padStart(head.length + 2)),
    ].join(""),
  );
  const head = ["".padEnd(18), ...COLUMNS.map(([name]) => name.padStart(name.length + 2))].join("");
  return [`\n${first.scenario.name}${first.load === 1 ? "" : ` at ${first.load} × its load`}`, head, ...lines].join(
    "\n",
  );
}

function shown(figures: readonly Figures[], value: (figures: Figures) => number, digits: number): string {
  return median(figures.map(value)).toFixed(digits);
}

function range(figures: readonly Figures[], value: (figures: Figures) => number, digits: number): string {
  const values = figures.map(value);
  const [low, high] = [Math.min(...values).toFixed(digits), Math.max(...values).toFixed(digits)];
  const middle = median(values).toFixed(digits);
  return low === high ? middle : `${middle} (${low}–${high})`;
}

const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [row(head), row(head.map((_, index) => (index === 0 ? "---" : "---:"))), ...rows.map(row)].join("\n");

/** docs/scheduling.md. */
export function documentOf({ cells, seeds, version }: Report): string {
  const scenarios = [...new Set(cells.map(({ scenario }) => scenario))];
  const policies = [...new Set(cells.map(({ policy }) => policy))];
  const all = [THIS_HUB].flatMap((policy) => verdicts(cells, policy));
  const loads = [...new Set(cells.map(({ load }) => load))];
  const compared = [LEAST_CONNECTIONS, USERS_ORDER, LEAST_BUSY, THIS_HUB];
  return `# Scheduling: what choosing a machine is worth

Written by \`bun run simulate\` (version ${version}, seeds ${seeds.join(", ")}); nothing here is typed by hand.
The same seeds bring the same figures. A figure is the median over the seeds with the least and the greatest in brackets.

First-token times are from the request's arrival at the hub, in virtual seconds. A request without a first token after
${PATIENCE_MS / 1000} s is lost and counts as ${PATIENCE_MS / 1000} s. Goodput: first token within ${OBJECTIVE_MS / 1000} s, of all requests. Fairness: Jain's index of the
machines' utilization, each measured at its own speed; 1 is all equally busy. Equal is not best where machines are unequal.

## The targets

At most ${WORSE_AT_MOST} × the p95 of the user's order in every scenario, at most ${MIXED_AT_MOST} × that of least connections with mixed models.

${table(
  ["scenario", "load", "policy", "p95 / user's order", "p95 / least connections", "met"],
  all.map(({ scenario, load, policy, toUsersOrder, toLeastConnections, met }) => [
    scenario.name,
    `${load} ×`,
    policy.name,
    toUsersOrder.toFixed(2),
    toLeastConnections.toFixed(2),
    met ? "yes" : "**no**",
  ]),
)}

## Scenarios

${scenarios
  .map((scenario) => {
    const { perMinute, shape, conversations, demands, requests } = scenario.traffic;
    const models = demands.map(({ model, weight, context, lengths }) => {
      const asks = [context === null ? "" : `num_ctx ${context}`, lengths === "long text" ? lengths : ""].filter(
        Boolean,
      );
      return `${model}${asks.length > 0 ? ` (${asks.join(", ")})` : ""} ${weight.toFixed(2)}`;
    });
    return `### ${scenario.name}

${scenario.about} ${perMinute} conversations and single requests begin in a minute (gamma, shape ${shape}), ${Math.round(conversations * 100)} % of them of several turns; ${requests} requests.
Models and weights: ${models.join("; ")}.

${table(
  ["policy", ...COLUMNS.map(([head]) => head)],
  policies.flatMap((policy) => {
    const cell = find(cells, scenario, policy);
    return cell ? [[policy.name, ...COLUMNS.map(([, value, digits]) => range(cell.figures, value, digits))]] : [];
  }),
)}`;
  })
  .join("\n\n")}

## At other loads

p95 of the first token in seconds.

${table(
  ["scenario", "load", ...compared.map(({ name }) => name)],
  scenarios.flatMap((scenario) =>
    loads.map((load) => [
      scenario.name,
      `${load} ×`,
      ...compared.map((policy) => {
        const cell = find(cells, scenario, policy, load);
        return cell ? range(cell.figures, ({ p95 }) => p95 / 1000, 2) : "–";
      }),
    ]),
  ),
)}

## Policies

${policies.map(({ name, rule }) => `- **${name}**: ${rule}`).join("\n")}

## Machines

${table(
  [
    "scenario",
    "machine",
    "memory GB",
    "disk GB/s",
    "prompt tokens/s at 1 GB",
    "answer tokens/s at 1 GB",
    "NUM_PARALLEL",
    "slots reported",
  ],
  scenarios.flatMap(({ name, machines }) =>
    machines.map((machine) => [
      name,
      machine.id,
      String(machine.memoryGb),
      String(machine.diskGbPerSecond),
      String(machine.promptSpeed),
      String(machine.answerSpeed),
      String(machine.parallel),
      String(machine.slots),
    ]),
  ),
)}

## How it is simulated

- The hub's own registry, reservations, waiting room, learned slots and selection run, imported and not copied, on a virtual
  clock. Agents look at their Ollama every 5 s, report at once what changed in memory, else every 30 s, and are probed every
  3 s while they have work. In place of hub/dispatch.ts stands its loop without the network.
- A prompt's tokens are read at the machine's prompt speed divided by the model's GB, an answer's written at its answer speed
  likewise. Of n at work at once each reads at 1/n, and writes at 1 / (1 + ${SERIAL_SHARE} (n − 1)) of the speed alone: Amdahl's law with
  the middle of the serial parts of 0.39 to 0.54 that were measured with Ollama (Technical Report 129, below).
- A load takes 1 s and the weights from disk; one at a time, whoever needs one waits behind. Needed where the model is not in
  memory or has another context size. It takes weights × (1 + 0.000027 × context × NUM_PARALLEL) of memory; the context is ${DEFAULT_CONTEXT}
  where none is asked for. Where that, or three models, is too much, the idle model used longest ago leaves; with none
  idle it is waited for, and requests for it are let in meanwhile, as Ollama does. Unused ones leave after ${KEEP_ALIVE_MS / 60_000} minutes.
- A runner keeps the tokens of its last NUM_PARALLEL requests: a conversation's next turn reads only what is new there.
- Half the answers tell Ollama's durations (for the learned slots), as those of its native routes do.
- A client whose patience ends leaves; the load that it began goes on.

## Sources

- Lengths: the first ${LENGTHS_STATED.requests} requests of Azure's conversation trace of 2023 (mean ${LENGTHS_STATED.prompt.toFixed(0)} tokens in, ${LENGTHS_STATED.output.toFixed(0)} out), drawn in pairs.
  github.com/Azure/AzurePublicDataset, data/AzureLLMInferenceTrace_conv.csv, commit 790921015d50, CC-BY; described in
  "Splitwise: Efficient generative LLM inference using phase splitting", ISCA 2024.
- Long texts: exponential around Mooncake's averages of ${LENGTHS_STATED.longPrompt} in and ${LENGTHS_STATED.longOutput} out (arXiv 2407.00079, section 4.2), cut to the context.
- Times between requests: gamma distributed, as BurstGPT models them (arXiv 2401.17644); shape 0.5 is that of its generator
  (github.com/HPMLL/BurstGPT, example/src/burstgpt/config.py, commit 01131e1bb2d4). The other shape and all rates are ours.
- Parallel speed: "Technical Report 129: N-Agent Scaling Laws", chimeraforge.vercel.app, Ollama on an RTX 4080 Laptop.
- Speed without a graphics card: 104 tokens of prompt a second for 8 billion parameters in Q4_0 on a Ryzen 7950X, llama.cpp
  (wiki of github.com/ikawrakow/ik_llama.cpp, July 2024). Sizes of models: Ollama's library. The other speeds are round
  numbers of ours, as are the conversations: 4 turns on average, 20 s between them, 60 new tokens, all exponential.

## What is not in it

Networks and the hub's own time; failures; answers that come whole rather than streamed; a file cache that makes a second load
faster; models split between graphics card and processor; prompts shared by different conversations; clients that come
again after a refusal; embeddings; other programs on the machines. The speeds are ratios of plausible machines: what
carries over is which policy is better and roughly by how much, not the seconds.
`;
}
