import { expect, test } from "bun:test";
import { every, systemClock } from "./clock.ts";
import { fakeClock } from "./testing/fake_clock.ts";

test("a fake clock starts at nothing and moves only when told", async () => {
  const clock = fakeClock();
  expect(clock.now()).toBe(0);
  expect(clock.wall().toISOString()).toBe("2026-01-01T00:00:00.000Z");
  await clock.advance(1500);
  expect(clock.now()).toBe(1500);
  expect(clock.wall().toISOString()).toBe("2026-01-01T00:00:01.500Z");
});

test("setting the wall clock back does not move monotonic time or its timers", async () => {
  const clock = fakeClock();
  const rang: number[] = [];
  clock.after(1000, () => rang.push(clock.now()));
  clock.stepWall(-3_600_000);
  await clock.advance(999);
  expect(rang).toEqual([]);
  await clock.advance(1);
  expect(rang).toEqual([1000]);
  expect(clock.wall().toISOString()).toBe("2025-12-31T23:00:01.000Z");
});

test("timers ring in the order of their time, and of their setting where that is equal, each at its own time", async () => {
  const clock = fakeClock();
  const rang: string[] = [];
  const ring = (name: string) => () => rang.push(`${name} at ${clock.now()}`);
  clock.after(20, ring("late"));
  clock.after(10, ring("first"));
  clock.after(10, ring("second"));
  clock.after(99, ring("never"));
  await clock.advance(50);
  expect(rang).toEqual(["first at 10", "second at 10", "late at 20"]);
  expect(clock.pending).toBe(1);
});

test("a timer set by a timer rings within the same advance when it falls due", async () => {
  const clock = fakeClock();
  const rang: number[] = [];
  clock.after(10, () => clock.after(10, () => rang.push(clock.now())));
  await clock.advance(25);
  expect(rang).toEqual([20]);
});

test("a timer that was cancelled does not ring, and cancelling late is harmless", async () => {
  const clock = fakeClock();
  let rang = 0;
  const cancel = clock.after(10, () => rang++);
  cancel();
  await clock.advance(20);
  expect(rang).toBe(0);
  const spent = clock.after(10, () => rang++);
  await clock.advance(10);
  spent();
  expect(rang).toBe(1);
});

test("what repeats does so at its distance until it is stopped", async () => {
  const clock = fakeClock();
  const at: number[] = [];
  const stop = every(clock, 1000, () => at.push(clock.now()));
  await clock.advance(3500);
  stop();
  await clock.advance(5000);
  expect(at).toEqual([1000, 2000, 3000]);
  expect(clock.pending).toBe(0);
});

test("what is still running is not started again beside itself", async () => {
  const clock = fakeClock();
  let started = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  every(clock, 1000, () => {
    started++;
    return promise;
  });
  await clock.advance(10_000);
  expect(started).toBe(1);
  resolve();
  await clock.advance(1000);
  expect(started).toBe(2);
});

test("what is stopped while it runs does not start again", async () => {
  const clock = fakeClock();
  let started = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = every(clock, 1000, () => {
    started++;
    return promise;
  });
  await clock.advance(1000);
  stop();
  resolve();
  await clock.advance(10_000);
  expect(started).toBe(1);
  expect(clock.pending).toBe(0);
});

test("the system's clock never runs backwards, and its timers can be cancelled", async () => {
  const before = systemClock.now();
  let rang = "";
  const cancel = systemClock.after(0, () => {
    rang += "cancelled ";
  });
  cancel();
  await new Promise<void>((resolve) => systemClock.after(1, resolve));
  expect(rang).toBe("");
  expect(systemClock.now()).toBeGreaterThan(before);
  expect(Math.abs(systemClock.wall().getTime() - Date.now())).toBeLessThan(5_000);
});
