import { expect, test } from "bun:test";
import fc from "fast-check";
import { type QueueFacts, retryAfterSeconds } from "./queueing.ts";

test.each<[what: string, facts: QueueFacts, seconds: number]>([
  ["nothing is known yet", { waiting: 0, slots: 4, serviceMs: null }, 1],
  ["one waits for one slot of 10 s", { waiting: 1, slots: 1, serviceMs: 10_000 }, 20],
  ["seven wait for four slots of 10 s", { waiting: 7, slots: 4, serviceMs: 10_000 }, 20],
  ["a part of a second is left", { waiting: 0, slots: 4, serviceMs: 10_000 }, 3],
  ["requests take no time", { waiting: 100, slots: 4, serviceMs: 0 }, 1],
  ["no node serves", { waiting: 4, slots: 0, serviceMs: 2_000 }, 10],
  ["it would take an hour", { waiting: 512, slots: 1, serviceMs: 60_000 }, 120],
])("when %s the client is told a whole number of seconds", (_, facts, seconds) => {
  expect(retryAfterSeconds(facts)).toBe(seconds);
});

test("the answer is always a whole number from 1 to 120", () => {
  const facts = fc.record({
    waiting: fc.nat(1_000_000),
    slots: fc.nat(10_000),
    serviceMs: fc.option(fc.double({ min: 0, max: 1e12, noNaN: true })),
  });
  fc.assert(
    fc.property(facts, (queue) => {
      const seconds = retryAfterSeconds(queue);
      expect(Number.isInteger(seconds)).toBe(true);
      expect(seconds).toBeWithin(1, 121);
    }),
  );
});
