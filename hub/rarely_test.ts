import { expect, test } from "bun:test";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { createRarely } from "./rarely.ts";

test("the same is said once in its time, and however much there was to say, later something is said again", async () => {
  const clock = fakeClock();
  const rarely = createRarely(clock, 1_000, 3);
  expect(["a", "a", "b", "c", "d", "a"].map(rarely)).toEqual([true, false, true, true, false, false]);
  await clock.advance(999);
  expect(rarely("a")).toBe(false);
  await clock.advance(1);
  expect(["d", "d", "a", "b", "c"].map(rarely)).toEqual([true, false, true, true, false]);
});
