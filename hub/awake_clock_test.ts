import { expect, test } from "bun:test";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { createAwakeClock } from "./awake_clock.ts";

/** An awake clock that is looked at every second, on a clock that can also jump: nothing runs meanwhile. */
function setUp() {
  const ticking = fakeClock();
  let jumped = 0;
  const gaps: number[] = [];
  const base = { ...ticking, now: () => ticking.now() + jumped };
  const clock = createAwakeClock(base, (ms) => gaps.push(ms));
  return {
    clock,
    gaps,
    standStill: (ms: number) => {
      jumped += ms;
    },
    async run(seconds: number) {
      for (let second = 0; second < seconds; second++) {
        await ticking.advance(1000);
        clock.now();
      }
    },
  };
}

test("time in which the process ran counts, however long", async () => {
  const { clock, run, gaps } = setUp();
  await run(600);
  expect([clock.now(), gaps]).toEqual([600_000, []]);
});

test("time in which it stood still does not, and is told once", async () => {
  const { clock, run, standStill, gaps } = setUp();
  await run(20);
  standStill(300_000);
  expect(clock.now()).toBe(20_000);
  await run(5);
  expect([clock.now(), gaps]).toEqual([25_000, [300_000]]);
});

test("a short pause, such as a long garbage collection, counts", async () => {
  const { clock, standStill, gaps } = setUp();
  standStill(9_000);
  expect([clock.now(), gaps]).toEqual([9_000, []]);
});

test("a timer that falls due while the process stands still still gives the rest of its time", async () => {
  const { clock, run, standStill } = setUp();
  let fired = 0;
  clock.after(120_000, () => fired++);
  await run(100);
  standStill(300_000);
  await run(19);
  expect(fired).toBe(0);
  // The second between two looks in which the gap lies goes with it.
  await run(2);
  expect(fired).toBe(1);
  await run(300);
  expect(fired).toBe(1);
});

test("a timer armed again after a gap can still be taken back", async () => {
  const { clock, run, standStill } = setUp();
  let fired = 0;
  const cancel = clock.after(15_000, () => fired++);
  standStill(60_000);
  await run(16);
  cancel();
  await run(200);
  expect(fired).toBe(1);
  const second = clock.after(15_000, () => fired++);
  await run(10);
  second();
  await run(20);
  expect(fired).toBe(1);
});
