/** Everything at once: random faults of every kind against mixed load, and the checker over all of it. */
import { join } from "node:path";
import { openArena } from "../arena.ts";
import { ask } from "../ask.ts";
import { steadyLoad, wishes } from "../load.ts";
import { makeTrouble } from "../nemesis.ts";
import {
  countFigure,
  delayFigure,
  findings,
  judge,
  outcomesOf,
  reported,
  type Scenario,
  safetyFigures,
} from "../scenario.ts";

const RATE = 25;
const CLOCK_STEP = join(import.meta.dir, "../clock_step.ts");
/** Shorter than by default, so that every limit is reached within the run. */
const LIMITS = {
  NODE_REQUEST_TIMEOUT: "6",
  MODEL_LOAD_TIMEOUT: "6",
  STREAM_IDLE_TIMEOUT: "5",
  WHOLE_ANSWER_TIMEOUT: "8",
  QUEUE_TIMEOUT: "10",
  DRAIN_TIMEOUT: "3",
};
/** Milliseconds in which the fleet has to answer again when all is healed. */
const AGAIN_MS = 60_000;
/** Three attempts at the longest limit, the waiting room, and the freezing of agent and hub on top. */
const HANG_MS = 3 * 8000 + 10_000 + 30_000;

export const nemesis: Scenario = {
  name: "nemesis",
  title: "random faults of every kind under mixed load",
  needsNamespace: null,
  async run(lab) {
    const random = lab.random("nemesis");
    const ollama = { tokensPerSecond: 60 };
    const plans = ["a", "b", "c", "d"].map((id, index) => ({ id, ollama, proxied: index < 2 }));
    const environment = { ...LIMITS, BUN_OPTIONS: `--preload=${CLOCK_STEP}`, LAB_CLOCK: "steps" };
    await using arena = await openArena(lab.ground, plans, environment);
    const load = steadyLoad(arena, RATE, {
      name: "n",
      random: random.fork("load"),
      aborts: 0.15,
      leaveMs: [1, 1200],
      tokens: [3, 60],
      hangMs: HANG_MS,
    });
    const schedule: string[] = [];
    const until = performance.now() + lab.pick(20, 75, 240) * 1000;
    const counts = await makeTrouble(arena, lab.firewall, random, until, (text) => schedule.push(text));
    const healedAt = performance.now();
    await load.stop();
    const endedAfter = performance.now() - healedAt;
    const wish = wishes({ name: "after", random: random.fork("after"), tokens: [1, 1], hangMs: HANG_MS });
    let [answered, tries] = [false, 0];
    while (!answered && performance.now() - healedAt < AGAIN_MS) {
      tries += 1;
      answered = (await ask(arena.url, wish(), arena.operations)).outcomes[0] === "whole";
      if (!answered) await Bun.sleep(100);
    }
    const violations = await judge(arena, { hangMs: HANG_MS }, 20_000);
    const figures = [
      ...safetyFigures(arena.operations, violations, null),
      reported("faults made", schedule.length, schedule.length),
      delayFigure("from the last fault's end until all clients had their end", [endedAfter], null),
      countFigure("afterwards nobody is answered any more", tries, answered ? 0 : 1),
    ];
    if (violations.length > 0) for (const line of schedule) lab.say(`    ${line}`);
    return findings(arena, figures, violations, [
      `${outcomesOf(arena.operations)}.`,
      `Faults: ${Array.from(counts, ([name, count]) => `${name} ${count}`).join(", ")}.`,
    ]);
  },
};
