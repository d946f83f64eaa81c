/** The hub itself ends, freezes, or has its clock put forth and back: who is forgotten, what ends without a word. */
import { join } from "node:path";
import { type Arena, isReady, openArena } from "../arena.ts";
import { ask } from "../ask.ts";
import type { Violation } from "../checker.ts";
import type { Operation } from "../history.ts";
import { steadyLoad, wishes } from "../load.ts";
import {
  countFigure,
  delayFigure,
  type Figure,
  type Findings,
  findings,
  judge,
  type Lab,
  outcomesOf,
  type Scenario,
} from "../scenario.ts";

const IDS = ["a", "b", "c", "d"];
const CLOCK_STEP = join(import.meta.dir, "../clock_step.ts");

export const hub: Scenario = {
  name: "hub",
  title: "hub killed, restarted, stopped under streams, frozen, wall clock stepped",
  needsNamespace: null,
  async run(lab) {
    const parts = [await killed(lab), await stopped(lab), await frozen(lab), await stepped(lab)];
    return {
      figures: parts.flatMap(({ figures }) => figures),
      violations: parts.flatMap(({ violations }) => violations),
      operations: parts.reduce((sum, { operations }) => sum + operations, 0),
      executions: parts.reduce((sum, { executions }) => sum + executions, 0),
      notes: parts.flatMap(({ notes }) => notes),
    };
  },
};

function fleet(lab: Lab, hubEnvironment: Record<string, string> = {}, node: Record<string, string> = {}) {
  const ollama = { tokensPerSecond: 40 };
  const plans = IDS.map((id) => ({ id, ollama, environment: node }));
  return openArena(lab.ground, plans, hubEnvironment);
}

/** kill -9 and start: how long until the whole fleet is back. */
async function killed(lab: Lab): Promise<Findings> {
  await using arena = await fleet(lab);
  const wish = wishes({ name: "back", random: lab.random("hub/kill"), tokens: [1, 1] });
  const backs: number[] = [];
  const firsts: number[] = [];
  for (let round = 0; round < lab.pick(2, 4, 10); round++) {
    await arena.restartHub("SIGKILL");
    const from = performance.now();
    const served = (async () => {
      while ((await ask(arena.url, wish(), arena.operations)).outcomes[0] !== "whole") await Bun.sleep(20);
      firsts.push(performance.now() - from);
    })();
    backs.push(await arena.until((seen) => seen.filter(isReady).length === IDS.length, 60_000));
    await served;
  }
  return findings(
    arena,
    [
      delayFigure("hub killed: from its new start to the whole fleet back", backs, 8000),
      delayFigure("hub killed: from its new start to the first answer", firsts, null),
    ],
    await judge(arena),
  );
}

/** SIGTERM under streams that take longer than the hub waits. */
async function stopped(lab: Lab): Promise<Findings> {
  const drainS = lab.pick(2, 5, 10);
  await using arena = await fleet(lab, { DRAIN_TIMEOUT: String(drainS) });
  const random = lab.random("hub/stop");
  const wish = wishes({ name: "stop", random, streams: 0.8, tokens: [20, drainS * 80] });
  const violations: Violation[] = [];
  const ends: number[] = [];
  const codes: number[] = [];
  for (let round = 0; round < lab.pick(1, 2, 3); round++) {
    const asked = Array.from({ length: 20 }, () => ask(arena.url, wish(), arena.operations));
    await Bun.sleep(500);
    const from = performance.now();
    await arena.restartHub("SIGTERM", (code) => {
      ends.push(performance.now() - from);
      codes.push(code);
    });
    await Promise.all(asked);
    await arena.until((seen) => seen.filter(isReady).length === IDS.length, 60_000);
  }
  violations.push(...(await judge(arena)));
  const silent = violations.filter(({ breach }) => breach === "silent").length;
  return findings(
    arena,
    [
      countFigure("hub SIGTERM: requests under way that ended silently", arena.operations.length, silent),
      delayFigure(`hub SIGTERM: to its end (DRAIN_TIMEOUT ${drainS} s)`, ends, drainS * 1000 + 1000),
      countFigure("hub SIGTERM: exit codes other than 0", codes.length, codes.filter((code) => code !== 0).length),
    ],
    violations,
    [`Hub SIGTERM: ${outcomesOf(arena.operations)}.`],
  );
}

/** Looks at the fleet for `ms`: how often a node was missing or offline. */
async function watch(arena: Arena, ms: number): Promise<{ looks: number; missing: number }> {
  let [looks, missing] = [0, 0];
  const until = performance.now() + ms;
  while (performance.now() < until) {
    const seen = await arena.shown().catch(() => null);
    if (seen !== null) {
      looks += 1;
      missing += IDS.length - seen.filter(isReady).length;
    }
    await Bun.sleep(50);
  }
  return { looks, missing };
}

/** SIGSTOP for longer than any lease. */
async function frozen(lab: Lab): Promise<Findings> {
  const forS = lab.pick(11, 70, 300);
  // Leases shorter than the freeze, also where it is short.
  const leases =
    forS < 200
      ? { HEARTBEAT_INTERVAL: "2", HEARTBEAT_TTL_SECONDS: "5", HEARTBEAT_OFFLINE_SECONDS: "10" }
      : { HEARTBEAT_INTERVAL: "30" };
  await using arena = await fleet(lab, leases, { HEARTBEAT_INTERVAL: leases.HEARTBEAT_INTERVAL });
  const wish = wishes({ name: "thaw", random: lab.random("hub/freeze"), tokens: [5, 60] });
  const before = Array.from({ length: 8 }, () => ask(arena.url, { ...wish(), hangMs: 400_000 }, arena.operations));
  await Bun.sleep(100);
  process.kill(arena.hub.pid, "SIGSTOP");
  await Bun.sleep(forS * 1000);
  process.kill(arena.hub.pid, "SIGCONT");
  const from = performance.now();
  const first = ask(arena.url, wish(), arena.operations).then(() => performance.now() - from);
  const { looks, missing } = await watch(arena, 5000);
  const figures = [
    countFigure(`hub frozen for ${forS} s: nodes forgotten or offline afterwards`, looks * IDS.length, missing),
    delayFigure("hub frozen: from its waking to a whole answer", [await first], 1000 + 60 * 25),
  ];
  await Promise.all(before);
  return findings(arena, figures, await judge(arena, { hangMs: 400_000 }), [
    `Hub frozen (TTL ${leases.HEARTBEAT_TTL_SECONDS ?? 90} s): ${outcomesOf(arena.operations)}.`,
  ]);
}

/** Its wall clock an hour forth, two back, and so on, under load. */
async function stepped(lab: Lab): Promise<Findings> {
  await using arena = await fleet(lab, { BUN_OPTIONS: `--preload=${CLOCK_STEP}`, LAB_CLOCK: "steps" });
  const load = steadyLoad(arena, 10, { name: "step", random: lab.random("hub/step") });
  const times: string[] = [];
  let [looks, missing] = [0, 0];
  for (let step = 0; step < lab.pick(2, 4, 10); step++) {
    process.kill(arena.hub.pid, "SIGUSR2");
    const seen = await watch(arena, 1500);
    looks += seen.looks;
    missing += seen.missing;
    times.push(await lastTimestamp(arena));
  }
  await load.stop();
  const figures: Figure[] = [
    countFigure("wall clock of the hub ± 1 h: nodes forgotten or offline", looks * IDS.length, missing),
    countFigure("wall clock: requests not answered", arena.operations.length, arena.operations.filter(notWhole).length),
  ];
  return findings(arena, figures, await judge(arena, { nothingLost: true }), [
    `Wall clock stepped inside the hub's process; its log said ${times.join(", ")}.`,
  ]);
}

const notWhole = ({ outcomes }: Operation) => outcomes[0] !== "whole";

async function lastTimestamp(arena: Arena): Promise<string> {
  const response = await fetch(`${arena.url}/logs?limit=1`, { keepalive: false });
  const [row] = (await response.json()) as { timestamp?: string }[];
  return row?.timestamp ?? "nothing";
}
