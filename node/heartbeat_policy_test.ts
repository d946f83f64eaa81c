import { describe, expect, test } from "bun:test";
import { type Announced, delayUntilNext, reasonToRegisterAgain, reasonToSendNow } from "./heartbeat_policy.ts";

describe("delayUntilNext", () => {
  test.each([
    ["joined, earliest", { kind: "joined" }, 30_000, 1, 27_000],
    ["joined, latest", { kind: "joined" }, 30_000, 0, 30_000],
    ["rejected waits for the interval", { kind: "rejected", reason: "no" }, 30_000, 0, 30_000],
    ["first failure", { kind: "unreachable", failures: 1 }, 30_000, 0, 1000],
    ["first failure, spread", { kind: "unreachable", failures: 1 }, 30_000, 1, 1200],
    ["second failure", { kind: "unreachable", failures: 2 }, 30_000, 0, 2000],
    ["third failure", { kind: "unreachable", failures: 3 }, 30_000, 0, 4000],
    ["fourth failure", { kind: "unreachable", failures: 4 }, 30_000, 0, 5000],
    ["hundredth failure", { kind: "unreachable", failures: 100 }, 30_000, 1, 6000],
    ["an interval shorter than the back-off holds", { kind: "unreachable", failures: 9 }, 2000, 1, 2000],
  ] as const)("%s", (_name, standing, interval, random, expected) => {
    expect(delayUntilNext(standing, interval, random)).toBeCloseTo(expected, 6);
  });

  test("two intervals in a row never reach the dashboard's 60 s mark, and one lost heartbeat does not either", () => {
    for (let trial = 0; trial < 1000; trial++) {
      const random = trial / 1000;
      expect(delayUntilNext({ kind: "joined" }, 30_000, random)).toBeWithin(27_000, 30_000.001);
      const afterLoss = 30_000 + delayUntilNext({ kind: "unreachable", failures: 1 }, 30_000, random);
      expect(afterLoss).toBeLessThan(60_000);
    }
  });
});

const told: Announced = {
  models: ["a", "b"],
  loaded: ["a"],
  ollamaOk: true,
  ollamaVersion: "0.12.6",
  intent: "serving",
  cert: "one",
};

describe("reasonToSendNow", () => {
  test.each([
    ["nothing was told yet", null, told, "not registered yet"],
    ["nothing changed", told, { ...told }, null],
    ["the order of the models changed", told, { ...told, models: ["b", "a"] }, null],
    ["a model was added", told, { ...told, models: ["a", "b", "c"] }, "the model list changed"],
    ["a model was replaced", told, { ...told, models: ["a", "c"] }, "the model list changed"],
    ["a model was removed", told, { ...told, models: ["a"] }, "the model list changed"],
    ["a model was loaded", told, { ...told, loaded: ["a", "b"] }, "the models in memory changed"],
    ["Ollama stopped", told, { ...told, ollamaOk: false, models: [] }, "Ollama went away"],
    ["Ollama started", { ...told, ollamaOk: false }, told, "Ollama appeared"],
    ["Ollama was upgraded", told, { ...told, ollamaVersion: "0.13.0" }, "Ollama's version changed"],
    ["the certificate was renewed", told, { ...told, cert: "two" }, "the certificate was renewed"],
    ["the node drains", told, { ...told, intent: "draining" }, "the node is draining"],
  ] as const)("%s", (_name, before, now, expected) => {
    expect(reasonToSendNow(before, now)).toBe(expected);
  });
});

describe("reasonToRegisterAgain", () => {
  test.each([
    ["the same hub", "b1", { kind: "answered", bootId: "b1" }, null],
    ["a restarted hub", "b1", { kind: "answered", bootId: "b2" }, "the hub restarted"],
    ["an older hub without boot ids", null, { kind: "answered", bootId: null }, null],
    ["no hub", "b1", { kind: "away" }, "the hub does not answer"],
  ] as const)("%s", (_name, joined, sight, expected) => {
    expect(reasonToRegisterAgain(joined, sight)).toBe(expected);
  });
});
