import { expect, test } from "bun:test";
import { ANY_MODEL } from "../../shared/model_name.ts";
import { createServiceTimes } from "./service_times.ts";

test("before the first request nothing is known", () => {
  expect(createServiceTimes().of("m")).toBeNull();
});

test("each model has its own time, and one that has not run yet the time of all", () => {
  const times = createServiceTimes();
  times.took("small", 1000);
  times.took("large", 11_000);
  expect([times.of("small"), times.of("large"), times.of("new")]).toEqual([1000, 11_000, 2000]);
});

test("the newest requests weigh most", () => {
  const times = createServiceTimes();
  times.took("m", 1000);
  times.took("m", 2000);
  expect(times.of("m")).toBe(1100);
  for (let request = 0; request < 50; request++) times.took("m", 5000);
  expect(times.of("m")).toBeGreaterThan(4900);
});

test("a request that names no model counts among all, and for no model", () => {
  const times = createServiceTimes();
  times.took(ANY_MODEL, 100);
  times.took("m", 1100);
  expect([times.of("m"), times.of("n")]).toEqual([1100, 200]);
});

test("of more than a thousand models those that ran longest ago are forgotten", () => {
  const times = createServiceTimes();
  times.took("first", 1);
  times.took("second", 2);
  for (let model = 0; model < 999; model++) {
    times.took(String(model), 9);
    if (model === 500) times.took("first", 1);
  }
  expect(times.of("first")).toBe(1);
  expect(times.of("second")).toBeGreaterThan(8);
});
