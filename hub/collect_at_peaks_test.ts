import { expect, test } from "bun:test";
import { createPeaks } from "./collect_at_peaks.ts";

/** How many requests were under way each time garbage was collected, where there were as many as `counts` say in turn. */
function collectedAt(counts: Iterable<number>): number[] {
  const found: number[] = [];
  let now = 0;
  const peaks = createPeaks(() => found.push(now));
  for (const count of counts) {
    now = count;
    peaks(count);
  }
  return found;
}

const upTo = (most: number) => Array.from({ length: most }, (_, index) => index + 1);

test("garbage is collected about ten times on the way to 5000 requests, and never for a few", () => {
  expect(collectedAt(upTo(499))).toEqual([]);
  expect(collectedAt(upTo(5000)).slice(0, 3)).toEqual([500, 625, 782]);
  expect(collectedAt(upTo(5000)).length).toBe(11);
});

test("what comes and goes below the highest there was collects nothing", () => {
  expect(collectedAt([...upTo(600), ...upTo(600), ...upTo(600)])).toEqual([500]);
});
