import { expect, test } from "bun:test";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { createIdleLimit } from "./idle_limit.ts";

function limitOf(ms: number) {
  const clock = fakeClock();
  const due: number[] = [];
  return { clock, due, limit: createIdleLimit(clock, ms, () => due.push(clock.now())) };
}

test("a limit is due when its time has passed, once", async () => {
  const { clock, due, limit } = limitOf(100);
  limit.begin();
  await clock.advance(1000);
  expect(due).toEqual([100]);
});

test("each beginning counts from its own moment, also while an earlier timer still runs", async () => {
  const { clock, due, limit } = limitOf(100);
  for (let round = 0; round < 10; round++) {
    limit.begin();
    await clock.advance(70);
    limit.pause();
  }
  limit.begin();
  await clock.advance(1000);
  expect(due).toEqual([800]);
});

test("a limit that waits for nothing is never due, and needs no timer before it begins again", async () => {
  const { clock, due, limit } = limitOf(100);
  limit.begin();
  limit.pause();
  await clock.advance(1000);
  expect([due, clock.pending]).toEqual([[], 0]);
  limit.begin();
  await clock.advance(100);
  expect(due).toEqual([1100]);
});

test("a limit that has ended leaves no timer behind", () => {
  const { clock, limit } = limitOf(100);
  limit.begin();
  limit.end();
  limit.end();
  expect(clock.pending).toBe(0);
});

test("many rounds share one timer", () => {
  const { clock, limit } = limitOf(100);
  for (let round = 0; round < 50; round++) {
    limit.begin();
    limit.pause();
  }
  expect(clock.pending).toBe(1);
});
