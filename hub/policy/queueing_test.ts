import { expect, test } from "bun:test";
import fc from "fast-check";
import { expectedWaitMs, type ModelQueue, retryAfterSeconds } from "./queueing.ts";

const queue = (waiting: number, serviceMs: number | null, slots: Record<string, number> = { a: 4 }): ModelQueue => ({
  waiting,
  serviceMs,
  slots: new Map(Object.entries(slots)),
});

test.each<[what: string, queue: ModelQueue, others: ModelQueue[], waitMs: number]>([
  ["nothing is known yet", queue(0, null), [], 250],
  ["it is next for the only slot, and requests take 10 s", queue(0, 10_000, { a: 1 }), [], 10_000],
  ["one waits for one slot", queue(1, 10_000, { a: 1 }), [], 20_000],
  ["seven wait for four slots of two nodes", queue(7, 10_000, { a: 1, b: 3 }), [], 20_000],
  ["requests take no time", queue(100, 0), [], 0],
  ["no node serves", queue(4, 2_000, {}), [], 10_000],
  ["others wait for the same node", queue(0, 1_000, { a: 1 }), [queue(2, 5_000, { a: 1 })], 11_000],
  ["others wait for a node of their own", queue(0, 1_000, { a: 1 }), [queue(9, 5_000, { b: 1 })], 1_000],
  ["a quarter of the others' slots is here", queue(0, 1_000, { a: 1 }), [queue(4, 1_000, { a: 1, b: 3 })], 2_000],
  ["others wait of whom nothing is known", queue(0, 3_000, { a: 1 }), [queue(1, null, { a: 1 })], 6_000],
  ["others wait for what nobody serves", queue(0, 1_000, { a: 1 }), [queue(9, 1_000, {})], 1_000],
])("when %s the expected wait follows from it", (_, own, others, waitMs) => {
  expect(expectedWaitMs(own, others)).toBe(waitMs);
});

const anyQueue = fc.record({
  waiting: fc.nat(100_000),
  serviceMs: fc.option(fc.double({ min: 0, max: 1e9, noNaN: true })),
  slots: fc
    .array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: 1, max: 64 })))
    .map((pairs) => new Map(pairs)),
});

test("another waiter never shortens the wait, whichever model it is for", () => {
  fc.assert(
    fc.property(anyQueue, anyQueue, (own, other) => {
      const wait = expectedWaitMs(own, [other]);
      expect(Number.isFinite(wait)).toBe(true);
      expect(wait).toBeGreaterThanOrEqual(expectedWaitMs(own, []));
      expect(expectedWaitMs({ ...own, waiting: own.waiting + 1 }, [other])).toBeGreaterThanOrEqual(wait);
      expect(expectedWaitMs(own, [{ ...other, waiting: other.waiting + 1 }])).toBeGreaterThanOrEqual(wait);
    }),
  );
});

test.each([
  [0, 1],
  [250, 1],
  [1_000, 1],
  [1_001, 2],
  [20_000, 20],
  [3_600_000, 120],
  [Number.MAX_VALUE, 120],
])("a client that could wait %p ms here is told to come again after %p s", (waitMs, seconds) => {
  expect(retryAfterSeconds(waitMs)).toBe(seconds);
});
