import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  afterAnswer,
  afterReport,
  asReported as asReportedAt,
  type LearnedSlots,
  type SlotAnswer,
  slotWaitMs,
} from "./learned_slots.ts";

const answer = (atNode: number, waitMs: number, runMs = 1_000): SlotAnswer => ({
  atNode,
  waitMs,
  totalMs: waitMs + runMs,
});
const after = (learned: LearnedSlots, ...answers: SlotAnswer[]) =>
  answers.reduce((before, one) => afterAnswer(before, one, 0), learned);
const asReported = (slots: number) => asReportedAt(slots, 0);
const times = (count: number, one: SlotAnswer) => Array<SlotAnswer>(count).fill(one);

const SECOND = 1e9;

test.each<[what: string, durations: Parameters<typeof slotWaitMs>[0], ms: number | null]>([
  [
    "an answer that waited",
    {
      total_duration: 10 * SECOND,
      load_duration: 0.1 * SECOND,
      prompt_eval_duration: 0.4 * SECOND,
      eval_duration: 2 * SECOND,
    },
    7_500,
  ],
  ["parts that are more than the whole by rounding", { total_duration: 100, load_duration: 1, eval_duration: 101 }, 0],
  ["a prompt that took nothing", { total_duration: 3 * SECOND, load_duration: 1e6, eval_duration: 2 * SECOND }, 999],
  ["a load", { total_duration: 30 * SECOND, load_duration: SECOND, eval_duration: 2 * SECOND }, null],
  ["no durations at all", {}, null],
  ["a whole only", { total_duration: 3 * SECOND }, null],
  ["a part that is no number", { total_duration: 3 * SECOND, eval_duration: SECOND, prompt_eval_duration: null }, null],
  ["a part below zero", { total_duration: 3 * SECOND, eval_duration: SECOND, load_duration: -1 }, null],
])("the wait of %s is told as far as it can be", (_, durations, ms) => {
  expect(slotWaitMs(durations)).toBe(ms);
});

test("one strange answer changes nothing, nor do three", () => {
  const learned = after(asReported(4), ...times(3, answer(4, 60_000)));
  expect(learned.slots).toBe(4);
  expect(after(learned, ...times(7, answer(4, 0)), ...times(3, answer(4, 60_000))).slots).toBe(4);
});

test.each<[what: string, reported: number, answers: SlotAnswer[], slots: number]>([
  ["four of a queue behind one slot", 4, times(4, answer(4, 3_000)), 2],
  ["four more", 4, [...times(4, answer(4, 3_000)), ...times(4, answer(2, 1_000))], 1],
  ["a burst behind one slot", 2, [...times(4, answer(2, 1_000))], 1],
  ["four of a queue behind two slots", 4, times(4, answer(4, 1_000)), 2],
  ["four of a queue behind three slots", 4, times(4, answer(4, 333)), 3],
  [
    "equal answers, every third of which waits",
    4,
    Array(4)
      .fill([answer(4, 1_000), ...times(2, answer(4, 0))])
      .flat(),
    3,
  ],
  [
    "equal answers, every second of which waits",
    3,
    Array(4)
      .fill([answer(3, 0), answer(3, 1_000)])
      .flat(),
    2,
  ],
  [
    "answers of which every fourth waits",
    4,
    Array(40)
      .fill([...times(3, answer(4, 0)), answer(4, 1_000)])
      .flat(),
    4,
  ],
  ["four of a queue behind two slots of sixteen", 16, times(4, answer(16, 7_000)), 8],
  ["four that waited less than a tenth of a second", 4, times(4, answer(4, 99, 50)), 4],
  ["four that waited a tenth of their time", 4, times(4, answer(4, 1_000, 9_000)), 4],
  ["four that were alone and waited for a stranger", 4, times(4, answer(1, 9_000)), 4],
])("after %s of %p reported ones the slots are as they ran", (_, reported, answers, slots) => {
  expect(after(asReported(reported), ...answers).slots).toBe(slots);
});

test("answers sent before the correction do not bring it down further", () => {
  const learned = after(asReported(4), ...times(4, answer(4, 1_000)));
  expect(after(learned, ...times(20, answer(4, 1_000)))).toBe(learned);
});

test("answers with slots to spare say nothing", () => {
  const [crowded, lonely] = [answer(4, 3_000), answer(1, 0)];
  expect(after(asReported(4), crowded, lonely, crowded, lonely, crowded, lonely, crowded).slots).toBe(2);
  expect(after(after(asReported(4), ...times(4, answer(4, 1_000))), ...times(1_000, lonely)).slots).toBe(2);
});

test("a longer run of full load without waiting raises by one, never above what was reported", () => {
  let learned = after(asReported(4), ...times(4, answer(4, 1_000)));
  learned = after(learned, ...times(31, answer(2, 0)));
  expect(learned.slots).toBe(2);
  learned = after(learned, answer(2, 0));
  expect(learned.slots).toBe(3);
  learned = after(learned, ...times(32, answer(3, 0)));
  expect(learned.slots).toBe(4);
  expect(after(learned, ...times(1_000, answer(4, 0))).slots).toBe(4);
});

test("a try that failed is made again only after twice the run", () => {
  let learned = after(asReported(2), ...times(4, answer(2, 1_000)));
  const runs: number[] = [];
  for (let round = 0; round < 5; round++) {
    let run = 0;
    for (; learned.slots === 1; run++) learned = after(learned, answer(1, 0));
    runs.push(run);
    learned = after(learned, ...times(4, answer(2, 1_000)));
  }
  expect(runs).toEqual([32, 64, 128, 256, 256]);
});

test("a new report is believed again, the same one changes nothing", () => {
  const learned = after(asReported(4), ...times(4, answer(4, 3_000)));
  expect(afterReport(learned, 4, 599_999)).toBe(learned);
  expect(afterReport(learned, 8, 5)).toEqual(asReportedAt(8, 5));
});

test("ten minutes without a change try one more, where no answer tells of waiting", () => {
  let learned = after(asReported(4), ...times(4, answer(4, 3_000)));
  expect(learned.slots).toBe(2);
  const seen: number[] = [];
  for (let now = 0; now <= 2_400_000; now += 300_000) {
    learned = afterReport(learned, 4, now);
    seen.push(learned.slots);
  }
  expect(seen).toEqual([2, 2, 3, 3, 4, 4, 4, 4, 4]);
});

const anyAnswer = fc.record({
  atNode: fc.integer({ min: 0, max: 20 }),
  waitMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e6, noNaN: true })),
  totalMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
});

test("whatever the answers say, the slots stay between one and the reported number, and move up by one at most", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 16 }), fc.array(anyAnswer, { maxLength: 300 }), (reported, answers) => {
      let learned = asReported(reported);
      for (const one of answers) {
        const next = afterAnswer(learned, one, 0);
        expect(next.slots).toBeGreaterThanOrEqual(1);
        expect(next.slots).toBeLessThanOrEqual(Math.min(reported, learned.slots + 1));
        learned = next;
      }
    }),
  );
});

/**
 * An Ollama with `parallel` slots behind a node of `reported`, kept full by the hub for `answers` answers that take
 * `serviceMs` each. Returns the slots in use after every answer.
 */
function simulate(parallel: number, reported: number, answers: number, serviceMs: () => number): number[] {
  let learned = asReported(reported);
  /** Times at which each of Ollama's slots is free again. */
  const freeAt = Array<number>(parallel).fill(0);
  const there: { endsAt: number; answer: SlotAnswer }[] = [];
  const seen: number[] = [];
  for (let now = 0; seen.length < answers; ) {
    while (there.length < learned.slots) {
      const first = freeAt.indexOf(Math.min(...freeAt));
      const startsAt = Math.max(now, freeAt[first] ?? 0);
      const endsAt = startsAt + serviceMs();
      freeAt[first] = endsAt;
      const atNode = there.length + 1;
      there.push({ endsAt, answer: { atNode, waitMs: startsAt - now, totalMs: endsAt - now + 5 } });
    }
    there.sort((one, other) => other.endsAt - one.endsAt);
    const next = there.pop();
    if (!next) throw new Error("a full node has work");
    now = next.endsAt;
    learned = afterAnswer(learned, next.answer, now);
    seen.push(learned.slots);
  }
  return seen;
}

/** Numbers from 0 to 1, the same at every run. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

const services: Record<string, (random: () => number) => number> = {
  "all alike": () => 1_000,
  "from half to one and a half": (random) => 500 + 1_000 * random(),
  "mostly short, some very long": (random) => 200 - 2_000 * Math.log(random()),
};

for (const parallel of [1, 2, 4]) {
  test.each(Object.keys(services))(
    `behind a node that reports 4, an Ollama with ${parallel} slots is found out and stays so, with answers %s`,
    (name) => {
      for (let seed = 1; seed <= 50; seed++) {
        const random = chance(seed);
        const seen = simulate(parallel, 4, 3_000, () => services[name]?.(random) ?? 0);
        const settled = seen.indexOf(parallel);
        expect(settled).toBeGreaterThanOrEqual(0);
        expect(settled).toBeLessThan(60);
        const rest = seen.slice(settled);
        expect(Math.min(...rest)).toBe(parallel);
        expect(Math.max(...rest)).toBeLessThanOrEqual(parallel + (parallel < 4 ? 1 : 0));
        // Tries of one more are rare, and each is taken back.
        expect(rest.filter((slots) => slots === parallel).length / rest.length).toBeGreaterThan(0.9);
      }
    },
  );
}
