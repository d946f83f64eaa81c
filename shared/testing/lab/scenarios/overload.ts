/** Ten times more than the fleet can do: how much of its capacity it keeps, how fast it refuses, how soon it is well again. */
import { type Arena, openArena } from "../arena.ts";
import { ask } from "../ask.ts";
import type { Operation } from "../history.ts";
import { closedLoad, steadyLoad, wishes } from "../load.ts";
import { delayFigure, type Figure, findings, judge, outcomesOf, quantile, type Scenario, shown } from "../scenario.ts";
import type { Random } from "../seeded_random.ts";

const SLOTS = 6;
const NODES = ["a", "b"];
const TOKENS: readonly [number, number] = [20, 20];
const TOKENS_PER_SECOND = 60;
/** Small, so that what waits when the overload ends is done soon; the default of 512 would take longer than the target. */
const QUEUE_SIZE = 64;
const TIMES = 10;

export const overload: Scenario = {
  name: "overload",
  title: `${TIMES} times the fleet's capacity`,
  needsNamespace: null,
  async run(lab) {
    const random = lab.random("overload");
    const ollama = { tokensPerSecond: TOKENS_PER_SECOND, parallel: SLOTS };
    const plans = NODES.map((id) => ({ id, slots: SLOTS, ollama }));
    await using arena = await openArena(lab.ground, plans, { QUEUE_SIZE: String(QUEUE_SIZE) });
    // As many clients as slots and half as many again: never idle, never refused.
    const saturated = closedLoad(arena, NODES.length * SLOTS * 1.5, {
      name: "full",
      random: random.fork("full"),
      tokens: TOKENS,
    });
    const seconds = lab.pick(4, 8, 20);
    await Bun.sleep(1000);
    const capacity = await goodput(arena, seconds);
    await saturated.stop();
    const usual = await probe(arena, random.fork("usual"), "usual", 10);

    const load = steadyLoad(arena, capacity * TIMES, { name: "over", random: random.fork("over"), tokens: TOKENS });
    await Bun.sleep(1000);
    const during = lab.pick(6, 30, 60);
    const kept = await goodput(arena, during);
    const stopped = load.stop();
    const recovery = await recovered(arena, random.fork("after"), quantile(usual, 0.5));
    await stopped;
    const violations = await judge(arena, { hangMs: 125_000 });
    const over = arena.operations.filter(({ id }) => id.startsWith("over-"));
    const figures = figuresOf(over, { capacity, kept, during, recovery });
    return findings(arena, figures, violations, [
      `Capacity ${capacity.toFixed(1)} answers/s, offered ${(capacity * TIMES).toFixed(0)}/s for ${during} s, ` +
        `QUEUE_SIZE=${QUEUE_SIZE}; ${outcomesOf(over)}.`,
    ]);
  },
};

/** Whole answers a second during the next `seconds`. */
async function goodput(arena: Arena, seconds: number): Promise<number> {
  const from = performance.now();
  await Bun.sleep(seconds * 1000);
  const until = performance.now();
  const good = arena.operations.filter(
    ({ outcomes, endedAt }) => outcomes[0] === "whole" && endedAt !== null && endedAt >= from && endedAt < until,
  );
  return good.length / ((until - from) / 1000);
}

const took = ({ startedAt, endedAt }: Operation) => (endedAt ?? Number.NaN) - startedAt;

/** Milliseconds of `times` answers, one after another. */
async function probe(arena: Arena, random: Random, name: string, times: number): Promise<number[]> {
  const wish = wishes({ name, random, tokens: TOKENS });
  const all: number[] = [];
  for (let at = 0; at < times; at++) all.push(took(await ask(arena.url, wish(), arena.operations)));
  return all;
}

/** Milliseconds until an answer comes as soon as usual again (a quarter more at most); gives up after 30 s. */
async function recovered(arena: Arena, random: Random, usualMs: number): Promise<number> {
  const from = performance.now();
  const wish = wishes({ name: "after", random, tokens: TOKENS });
  for (;;) {
    const started = performance.now();
    const operation = await ask(arena.url, wish(), arena.operations);
    const well = operation.outcomes[0] === "whole" && took(operation) <= usualMs * 1.25 + 20;
    if (well) return started - from;
    if (performance.now() - from > 30_000) return Number.NaN;
    await Bun.sleep(50);
  }
}

function figuresOf(
  over: readonly Operation[],
  { capacity, kept, during, recovery }: { capacity: number; kept: number; during: number; recovery: number },
): Figure[] {
  const refused = over.filter(({ outcomes }) => outcomes[0] === "refused");
  const share = kept / capacity;
  const dumb = refused.filter(({ status, retryAfter }) => status !== 503 || retryAfter === null).length;
  return [
    {
      what: "share of the capacity kept as whole answers",
      n: Math.round(kept * during),
      measured: `${(share * 100).toFixed(1)} % (${kept.toFixed(1)} of ${capacity.toFixed(1)} a second)`,
      target: "≥ 90 %",
      pass: share >= 0.9,
    },
    delayFigure("time to a refusal", refused.map(took), 100),
    {
      what: "refusals that are not 503 with Retry-After",
      n: refused.length,
      measured: String(dumb),
      target: "0",
      pass: dumb === 0,
    },
    {
      what: "from the overload's end until an answer takes as long as usual",
      n: 1,
      measured: Number.isNaN(recovery) ? "more than 30 s" : shown(recovery),
      target: "≤ 5 s",
      pass: recovery <= 5000,
    },
  ];
}
