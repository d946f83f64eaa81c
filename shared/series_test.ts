import { expect, test } from "bun:test";
import { createCounter, createHistogram } from "./series.ts";

test("a value at a bound is within it, and one beyond all bounds is counted", () => {
  const histogram = createHistogram([], [0.1, 1]);
  for (const value of [0, 0.1, 0.100001, 1, 5]) histogram.of({}).observe(value);
  expect(histogram.lines().map(({ suffix, labels, value }) => [suffix, labels.le, value])).toEqual([
    ["_bucket", "0.1", 2],
    ["_bucket", "1", 4],
    ["_bucket", "+Inf", 5],
    ["_sum", undefined, 6.200001],
    ["_count", undefined, 5],
  ]);
});

test("a histogram without labels is there from the start, one with labels when they are named", () => {
  expect(createHistogram([], [1]).lines()).toHaveLength(4);
  const histogram = createHistogram(["model"], [1]);
  expect(histogram.lines()).toEqual([]);
  const series = histogram.of({ model: "a" });
  expect(histogram.of({ model: "a" })).toBe(series);
  expect(histogram.lines()).toHaveLength(4);
});

test("a series that was removed is gone, and begins at zero when it comes again", () => {
  const histogram = createHistogram(["model"], [1]);
  histogram.of({ model: "a" }).observe(0.5);
  histogram.remove({ model: "a" });
  expect(histogram.lines()).toEqual([]);
  histogram.of({ model: "a" });
  expect(histogram.lines().every(({ value }) => value === 0)).toBe(true);
});

test("labels that look alike when put together are different series", () => {
  const counter = createCounter(["one", "two", "three"]);
  const labels = ["", "a", "|", "|1|", "a|1|b", "b|0|", "1"];
  for (const one of labels) for (const two of labels) for (const three of labels) counter.inc({ one, two, three });
  expect(counter.lines()).toHaveLength(labels.length ** 3);
  expect(counter.lines().every(({ value }) => value === 1)).toBe(true);
});

test("a counter that is begun with nothing is there and says 0", () => {
  const counter = createCounter(["reason"]);
  counter.inc({ reason: "a" }, 0);
  expect(counter.lines()).toEqual([{ labels: { reason: "a" }, value: 0 }]);
  counter.inc({ reason: "a" });
  counter.inc({ reason: "a" }, 2);
  expect(counter.lines()).toEqual([{ labels: { reason: "a" }, value: 3 }]);
});
