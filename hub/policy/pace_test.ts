import { expect, test } from "bun:test";
import {
  afterFirstToken,
  afterLoad,
  afterReport,
  afterUse,
  bytesOf,
  firstTokenAlone,
  type MemoryReport,
  onlyOf,
  UNKNOWN_PACE,
} from "./pace.ts";

const NOW = 1_000_000;
const SIZES = new Map([
  ["a", 4e9],
  ["b", 5e9],
  ["c", 6e9],
]);
const report = (before: string[], loaded: string[], loading: string[] = []): MemoryReport => ({
  reported: new Set(before),
  before: new Set(before),
  loaded: new Set(loaded),
  loading,
  sizes: SIZES,
});
const used = (...models: string[]) => models.reduce((pace, model) => afterUse(pace, model, "", NOW), UNKNOWN_PACE);

test("first tokens are averaged by model, each divided by those it was beside", () => {
  let pace = afterFirstToken(UNKNOWN_PACE, "a", 1000, 1, NOW);
  pace = afterFirstToken(pace, "a", 6000, 2, NOW);
  pace = afterFirstToken(pace, "b", 500, 1, NOW);
  expect(pace.firstToken.get("a")).toEqual({ value: 2000, count: 2, at: NOW });
  expect(pace.firstToken.get("b")).toEqual({ value: 500, count: 1, at: NOW });
});

test("the newest first tokens count for a thirty-second part once there were many", () => {
  let pace = UNKNOWN_PACE;
  for (let count = 0; count < 100; count++) pace = afterFirstToken(pace, "a", 1000, 1, NOW);
  expect(afterFirstToken(pace, "a", 33_000, 1, NOW).firstToken.get("a")?.value).toBeCloseTo(2000);
});

test("half of what a node was slower than the fastest is forgotten every four minutes, or every two if it was so once", () => {
  const once = afterFirstToken(UNKNOWN_PACE, "a", 12_000, 1, NOW);
  let pace = once;
  for (let count = 1; count < 32; count++) pace = afterFirstToken(pace, "a", 12_000, 1, NOW);
  const after = (minutes: number, seen = pace) => Math.round(firstTokenAlone(seen, "a", 400, NOW + minutes * 60_000));
  expect([0, 4, 8, 120].map((minutes) => after(minutes))).toEqual([12_000, 6_200, 3_300, 400]);
  expect([0, 2, 4, 60].map((minutes) => after(minutes, once))).toEqual([12_000, 6_200, 3_300, 400]);
  expect(firstTokenAlone(pace, "a", 20_000, NOW)).toBe(20_000);
  expect(firstTokenAlone(pace, "b", 400, NOW)).toBe(400);
});

test("old first tokens count little beside a new one", () => {
  let pace = UNKNOWN_PACE;
  for (let count = 0; count < 32; count++) pace = afterFirstToken(pace, "a", 12_000, 1, NOW);
  expect(afterFirstToken(pace, "a", 400, 1, NOW).firstToken.get("a")?.value).toBeGreaterThan(11_000);
  expect(afterFirstToken(pace, "a", 400, 1, NOW + 2_400_000).firstToken.get("a")?.value).toBeLessThan(1_000);
});

test("a load tells bytes a millisecond; one of less than a second was none", () => {
  expect(afterLoad(UNKNOWN_PACE, 4e9, 8000).load).toEqual({ value: 500_000, count: 1 });
  expect(afterLoad(UNKNOWN_PACE, 4e9, 999)).toBe(UNKNOWN_PACE);
});

test("a small model's load, which is mostly no reading, tells nothing of the disk", () => {
  expect(afterLoad(UNKNOWN_PACE, 522e6, 3_500)).toBe(UNKNOWN_PACE);
});

test.each<[what: string, report: MemoryReport, models: string[], overflow: number]>([
  ["one came and none left", report(["a"], ["a", "b"]), ["a", "b"], Number.POSITIVE_INFINITY],
  ["one came and another left that was used lately", report(["a"], ["b"]), ["a", "b"], 9e9],
  ["one is loading and another left that was used lately", report(["a", "b"], ["b"], ["c"]), ["a", "b"], 15e9],
  ["one came and another left that nobody had used", report(["a"], ["b"]), ["b"], Number.POSITIVE_INFINITY],
  ["one left and none came", report(["a", "b"], ["b"]), ["a", "b"], Number.POSITIVE_INFINITY],
])("when %s", (_, seen, models, overflow) => {
  expect(afterReport(used(...models), seen, NOW + 1000).overflow).toBe(overflow);
});

test("of all that came and left between two reports one had to leave for the others, though not which", () => {
  const seen = { ...report(["a"], ["c"]), before: new Set(["a", "b"]) };
  expect(afterReport(used("a", "b", "c"), seen, NOW + 1000).overflow).toBe(15e9);
});

test("what was used five minutes ago left by itself", () => {
  expect(afterReport(used("a", "b"), report(["a"], ["b"]), NOW + 300_000).overflow).toBe(Number.POSITIVE_INFINITY);
});

test("what stays in memory together fits, whatever was believed", () => {
  const pace = { ...UNKNOWN_PACE, overflow: 9e9 };
  expect(afterReport(pace, report(["a"], ["a", "b"]), NOW).overflow).toBe(Number.POSITIVE_INFINITY);
  expect(afterReport(pace, report(["a"], ["a"]), NOW).overflow).toBe(9e9);
});

test("a model whose size no list tells counts as a middling one", () => {
  expect(bytesOf(["a", "unknown"], SIZES)).toBe(9e9);
});

test("what was measured of a model is forgotten with the model, and how fast the disk is stays", () => {
  const measured = afterLoad(afterFirstToken(used("a", "b"), "a", 1000, 1, NOW), 4e9, 8_000);
  const left = onlyOf(afterFirstToken(measured, "b", 500, 1, NOW), new Set(["b", "c"]));
  expect([left.firstToken, left.loadOptions, left.usedAt].map((each) => [...each.keys()])).toEqual([
    ["b"],
    ["b"],
    ["b"],
  ]);
  expect(left.load).toEqual(measured.load);
});
