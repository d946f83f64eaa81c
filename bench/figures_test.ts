import { describe, expect, test } from "bun:test";
import { type Figure, figuresOf, isMet } from "./figures.ts";
import { addRound, nothingMeasured } from "./measured.ts";

function figure(measured: ReturnType<typeof nothingMeasured>, beginning: string): Figure {
  const found = figuresOf(measured, 5_000).find(({ what }) => what.startsWith(beginning));
  if (!found) throw new Error(`no figure ${beginning}`);
  return found;
}

describe("a figure", () => {
  test("of processor time is the ratio of the rounds", () => {
    const measured = nothingMeasured();
    for (const [nginx, hub] of [
      [10, 11],
      [20, 30],
      [10, 12],
    ] as const) {
      addRound(measured.streams, "nginx", { cpuUs: nginx, p50: 1, p99: 2 });
      addRound(measured.streams, "hub", { cpuUs: hub, p50: 1, p99: 2 });
    }
    const { value } = figure(measured, "processor time a streamed chunk");
    expect(value).toEqual({ median: 1.2, min: 1.1, max: 1.5 });
  });

  test("of added delay leaves out what a chunk takes anyway", () => {
    const measured = nothingMeasured();
    addRound(measured.streams, "direct", { cpuUs: Number.NaN, p50: 1, p99: 5 });
    addRound(measured.streams, "nginx", { cpuUs: 1, p50: 2, p99: 3 });
    addRound(measured.streams, "hub", { cpuUs: 1, p50: 3, p99: 7 });
    expect(figure(measured, "delay added to a chunk, p50").value?.median).toBe(2);
    expect(figure(measured, "delay added to a chunk, p99").value?.median).toBe(3);
  });

  test("that was not measured is neither met nor missed", () => {
    expect(isMet(figure(nothingMeasured(), "small requests"))).toBeNull();
  });

  test("is met up to its limit, or from it on", () => {
    const measured = nothingMeasured();
    measured.proofs.push({ what: "hub", build: "source", streams: 100, atOnce: 100, answered: 100, mb: 50 });
    addRound(measured.firstByte, "nginx", 0.1);
    addRound(measured.firstByte, "hub", 0.3);
    expect(isMet(figure(measured, "streams at the same time"))).toBe(true);
    expect(isMet(figure(measured, "first byte"))).toBe(false);
  });

  test("of many streams counts only those that were open together", () => {
    const measured = nothingMeasured();
    measured.proofs.push({ what: "hub", build: "source", streams: 100, atOnce: 40, answered: 100, mb: 50 });
    expect(isMet(figure(measured, "streams at the same time"))).toBe(false);
  });
});
