import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../lab/seeded_random.ts";
import { figuresOf, jain, PATIENCE_MS, percentile } from "./outcome.ts";
import { LEAST_CONNECTIONS, POLICIES, THIS_HUB } from "./policies.ts";
import { run } from "./run.ts";
import { type Arrival, arrivals, type Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";
import { exponential, gamma, LENGTHS_STATED } from "./token_lengths.ts";
import { virtualClock } from "./virtual_clock.ts";

function short(name: string, requests = 200, perMinute?: number): Scenario {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (!scenario) throw new Error(`no scenario ${name}`);
  const { traffic } = scenario;
  return { ...scenario, traffic: { ...traffic, requests, perMinute: perMinute ?? traffic.perMinute } };
}

const cases = POLICIES.flatMap((policy) =>
  [short("mixed models"), short("context sizes"), short("overload", 400, 400)].map((scenario) => ({
    policy,
    scenario,
  })),
);

test.each(cases)("every request ends once: $policy.name, $scenario.name", async ({ policy, scenario }) => {
  const { ended } = await run({ scenario, policy, seed: 3 });
  expect(new Set(ended.map(({ id }) => id)).size).toBe(ended.length);
  expect(Math.max(...ended.map(({ id }) => id))).toBe(ended.length - 1);
  for (const { kind, firstMs } of ended) {
    if (kind === "served") expect(firstMs).toBeGreaterThanOrEqual(0);
    else expect(firstMs).toBeNull();
    expect(firstMs ?? 0).toBeLessThanOrEqual(PATIENCE_MS);
  }
  // A conversation goes on only when it is answered.
  const served = ended.filter(({ kind }) => kind === "served");
  const begun = arrivals(scenario.traffic, seededRandom(3));
  const turns = begun.reduce((sum, { next }) => sum + 1 + laterTurns(next), 0);
  if (served.length === ended.length) expect(ended.length).toBe(turns);
  else expect(ended.length).toBeLessThanOrEqual(turns);
});

function laterTurns(next: Arrival["next"]): number {
  return next ? 1 + laterTurns(next.turn.next) : 0;
}

test.each(POLICIES)("the same seed brings the same outcome, another one another: $name", async (policy) => {
  const scenario = short("mixed models");
  const outcome = await run({ scenario, policy, seed: 5 });
  expect(await run({ scenario, policy, seed: 5 })).toEqual(outcome);
  expect((await run({ scenario, policy, seed: 6 })).ended).not.toEqual(outcome.ended);
});

/** Part of the time in which all of `servers` are busy, when `offered` are on average: Erlang's C formula. */
function erlangC(servers: number, offered: number): number {
  let blocked = 1;
  for (let count = 1; count <= servers; count++) blocked = (offered * blocked) / (count + offered * blocked);
  return blocked / (1 - (offered / servers) * (1 - blocked));
}

test.each([
  ["in the hub", 1, 0.6, THIS_HUB],
  ["in the hub", 4, 0.8, THIS_HUB],
  ["in Ollama", 4, 0.8, LEAST_CONNECTIONS],
] as const)(
  "waiting %s is that of the textbook: %p servers, busy for %p of the time",
  async (_, servers, busy, policy) => {
    const serviceMs = 1000;
    const model = { name: "m", gb: 1 };
    const random = seededRandom(9);
    const everyMs = serviceMs / (servers * busy);
    const list: Arrival[] = [];
    const demand = { model: "m", weight: 1, context: null, lengths: "conversation" } as const;
    // The load comes first, and is over.
    for (let at = 0, count = 0; count < 20_000; count++) {
      const outputTokens = exponential(random, serviceMs);
      list.push({ at, demand, promptTokens: 1, knownTokens: 0, outputTokens, conversation: null, next: null });
      at += count === 0 ? 60_000 : exponential(random, everyMs);
    }
    const scenario: Scenario = {
      name: "textbook",
      about: "",
      machines: [
        {
          id: "one",
          memoryGb: 10,
          diskGbPerSecond: 1,
          // No time for the prompt, a millisecond for each token of the answer.
          promptSpeed: 1e12,
          answerSpeed: 1000,
          parallel: servers,
          slots: servers,
          maxLoaded: 1,
          cpuOnly: false,
          models: [model],
        },
      ],
      traffic: { perMinute: 0, shape: 1, conversations: 0, demands: [], requests: 0 },
    };
    const { ended } = await run({ scenario, policy, seed: 1, serialShare: 0, arrivals: list });
    const waits = ended.slice(1).map(({ firstMs }) => firstMs ?? 0);
    const mean = waits.reduce((sum, each) => sum + each, 0) / waits.length;
    const offered = servers * busy;
    expect(mean / ((erlangC(servers, offered) * serviceMs) / (servers - offered))).toBeCloseTo(1, 1);
    expect(waits.filter((each) => each > 0.5).length / waits.length / erlangC(servers, offered)).toBeCloseTo(1, 1);
  },
  30_000,
);

const FOLDER = import.meta.dir;
const sources = readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith("_test.ts"))
  .map((file) => readFileSync(join(FOLDER, file), "utf8"))
  .join("\n");

test.each([
  ["createWaitingRoom", "hub/capacity.ts"],
  ["createRegistry", "hub/registry.ts"],
  ["choose", "hub/policy/selection.ts"],
  ["whyNot", "hub/policy/eligibility.ts"],
  ["placement", "hub/placement.ts"],
  ["slotWaitMs", "hub/policy/learned_slots.ts"],
])("%s is the product's, imported from %s", (name, file) => {
  const escaped = file.replaceAll("/", "\\/").replaceAll(".", "\\.");
  expect(new RegExp(`import \\{[^}]*\\b${name}\\b[^}]*\\} from "(\\.\\./)+${escaped}"`).test(sources)).toBe(true);
  expect(new RegExp(`(function|const) ${name}\\b`).test(sources)).toBe(false);
});

test("the virtual clock runs what is due in its order, and not what was called off", () => {
  const clock = virtualClock();
  const seen: [string, number][] = [];
  const note = (name: string) => () => seen.push([name, clock.now()]);
  clock.after(20, note("third"));
  const cancel = clock.after(5, note("never"));
  clock.after(10, note("first"));
  clock.after(10, note("second"));
  cancel();
  while (clock.step(15));
  expect(seen).toEqual([
    ["first", 10],
    ["second", 10],
  ]);
  expect(clock.step(25)).toBe(true);
  expect(clock.now()).toBe(20);
  expect(clock.step(1000)).toBe(false);
});

test.each([0.1, 0.5, 1, 3])("gamma times of shape %p have their mean and their spread", (shape) => {
  const random = seededRandom(1);
  const times = Array.from({ length: 100_000 }, () => gamma(random, shape, 10));
  const mean = times.reduce((sum, each) => sum + each, 0) / times.length;
  const variance = times.reduce((sum, each) => sum + (each - mean) ** 2, 0) / times.length;
  expect(mean / 10).toBeCloseTo(1, 1);
  expect((variance * shape) / 100).toBeCloseTo(1, 1);
});

test("of Azure's trace there is a minute's requests", () => {
  expect(LENGTHS_STATED.requests).toBe(189);
  expect(LENGTHS_STATED.prompt).toBeGreaterThan(500);
  expect(LENGTHS_STATED.output).toBeGreaterThan(100);
});

test("percentiles, fairness and what counts as good", () => {
  expect([0.5, 0.95, 0.99, 1].map((part) => percentile([1, 2, 3, 4], part))).toEqual([2, 4, 4, 4]);
  expect(jain([1, 1, 1, 1])).toBe(1);
  expect(jain([1, 0, 0, 0])).toBe(0.25);
  const ended = [1000, 9000, 20_000, null].map((firstMs, id) => ({
    id,
    arrivedAt: 0,
    kind: firstMs === null ? ("gave up" as const) : ("served" as const),
    firstMs,
    nodeId: "a",
  }));
  const figures = figuresOf({ ended, nodes: [{ id: "a", loads: 2, utilization: 1 }], durationMs: 1 });
  expect(figures).toMatchObject({ p50: 9000, p99: PATIENCE_MS, goodput: 0.5, coldLoads: 500, lost: 0.25, fairness: 1 });
});
