import { expect, test } from "bun:test";
import { atMostEvery } from "./at_most_every.ts";
import { fakeClock } from "./testing/fake_clock.ts";

function open() {
  const clock = fakeClock();
  const done: number[] = [];
  const began = clock.now();
  return { clock, done, ...atMostEvery(clock, 1_000, () => done.push(clock.now() - began)) };
}

test("what is wanted is done at once, and what is wanted soon after that once its time has come", async () => {
  const { clock, done, want } = open();
  want();
  for (let count = 0; count < 5; count++) {
    await clock.advance(100);
    want();
  }
  expect(done).toEqual([0]);
  await clock.advance(600);
  expect(done).toEqual([0, 1_000]);
  await clock.advance(5_000);
  expect(done).toEqual([0, 1_000]);
  want();
  expect(done).toEqual([0, 1_000, 6_100]);
});

test("at the end nothing that was wanted is left undone, nor done twice", async () => {
  const { clock, done, want, stop } = open();
  want();
  want();
  stop();
  expect(done).toEqual([0, 0]);
  await clock.advance(5_000);
  expect(done).toEqual([0, 0]);
  want();
  expect(done).toHaveLength(3);
});

test("who ends it with nothing wanted has nothing done", () => {
  const { done, stop } = open();
  stop();
  expect(done).toEqual([]);
});

test("work that takes long is done less often: a twentieth of the time is for it", async () => {
  const clock = fakeClock();
  const began = clock.now();
  const done: number[] = [];
  let stoodStill = 0;
  const slow = { ...clock, now: () => clock.now() + stoodStill };
  const { want } = atMostEvery(slow, 1_000, () => {
    done.push(slow.now() - began);
    stoodStill += 100;
  });
  want();
  want();
  await clock.advance(1_800);
  expect(done).toEqual([0]);
  await clock.advance(200);
  expect(done).toEqual([0, 2_000]);
});
