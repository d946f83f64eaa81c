import { describe, expect, test } from "bun:test";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { cpuRatio, createLoadReader, type LoadSources, memoryRatio, systemLoadSources } from "./load.ts";

const GB = 2 ** 30;

describe("cpuRatio", () => {
  test.each([
    ["half busy", { busy: 100, total: 1000 }, { busy: 150, total: 1100 }, 0.5],
    ["idle", { busy: 100, total: 1000 }, { busy: 100, total: 1100 }, 0],
    ["full", { busy: 100, total: 1000 }, { busy: 200, total: 1100 }, 1],
    ["counters that stand still", { busy: 100, total: 1000 }, { busy: 100, total: 1000 }, 0],
    ["counters that went back, as after a suspend", { busy: 100, total: 1000 }, { busy: 50, total: 1100 }, 0],
  ])("%s", (_name, before, after, expected) => {
    expect(cpuRatio(before, after)).toBe(expected);
  });
});

describe("memoryRatio", () => {
  test.each([
    ["no control group", { total: 16 * GB, available: 4 * GB, limit: null, used: null }, 0.75],
    ["a limit that means none", { total: 16 * GB, available: 4 * GB, limit: 2 ** 63, used: GB }, 0.75],
    ["a limit below the machine", { total: 16 * GB, available: 8 * GB, limit: 4 * GB, used: GB }, 0.25],
    ["a machine fuller than the limit", { total: 16 * GB, available: GB, limit: 4 * GB, used: GB }, 0.75],
    ["a control group over its limit", { total: 16 * GB, available: 8 * GB, limit: GB, used: 2 * GB }, 1],
    ["nothing known", { total: 0, available: 0, limit: null, used: null }, 0],
  ])("%s", (_name, facts, expected) => {
    expect(memoryRatio(facts)).toBe(expected);
  });
});

describe("createLoadReader", () => {
  test("the processor is measured between two calls, and by the load average until there are two", async () => {
    const clock = fakeClock();
    let times = { busy: 0, total: 0 };
    const sources: LoadSources = {
      cpuTimes: () => times,
      loadPerCore: () => 0.3,
      memory: async () => ({ total: 100, available: 60, limit: null, used: null }),
    };
    const read = createLoadReader(clock, sources);
    expect(await read()).toEqual({ cpu: 0.3, memory: 0.4 });

    await clock.advance(5000);
    times = { busy: 80, total: 100 };
    expect((await read()).cpu).toBe(0.8);

    await clock.advance(10);
    times = { busy: 80, total: 110 };
    expect((await read()).cpu).toBe(0.8);

    await clock.advance(5000);
    expect((await read()).cpu).toBe(0);
  });

  test("this machine's load lies between 0 and 1", async () => {
    const load = await createLoadReader(fakeClock(), systemLoadSources)();
    expect(load.cpu).toBeWithin(0, 1.0001);
    expect(load.memory).toBeWithin(0.0001, 1.0001);
  });
});
