import { describe, expect, test } from "bun:test";
import { inPairs, quantile, spreadOf, times } from "./spread.ts";

describe("a spread", () => {
  test("has the middle one of an odd number of values", () => {
    expect(spreadOf([9, 1, 3])).toEqual({ median: 3, min: 1, max: 9 });
  });

  test("has the middle between the two middle ones of an even number", () => {
    expect(spreadOf([4, 1, 2, 10])).toEqual({ median: 3, min: 1, max: 10 });
  });

  test("leaves out what could not be measured", () => {
    expect(spreadOf([Number.NaN, 2, Number.POSITIVE_INFINITY])).toEqual({ median: 2, min: 2, max: 2 });
  });

  test("is nothing where nothing was measured", () => {
    expect(spreadOf([Number.NaN])).toBeNull();
  });
});

describe("a ratio", () => {
  test("compares what was measured in the same round", () => {
    expect(inPairs([2, 9], [1, 3], times)).toEqual([2, 3]);
  });

  test("is nothing where the other one added nothing that could be measured", () => {
    expect(inPairs([2, 2], [0, -1], times)).toEqual([Number.NaN, Number.NaN]);
  });

  test("of a round that only one of the two has is nothing", () => {
    expect(inPairs([2, 4], [1], times)).toEqual([2]);
  });
});

test("the quantile of a hundred values leaves as many above it as it says", () => {
  const sorted = Float64Array.from({ length: 100 }, (_, index) => index);
  expect([quantile(sorted, 0.5), quantile(sorted, 0.99), quantile(sorted, 1)]).toEqual([50, 99, 99]);
});
