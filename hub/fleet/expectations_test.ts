import { expect, test } from "bun:test";
import { UNKNOWN_PACE } from "../policy/pace.ts";
import { createExpectations } from "./expectations.ts";

const measured = (value: number) => ({
  pace: { ...UNKNOWN_PACE, firstToken: new Map([["m", { value, count: 1, at: 0 }]]) },
});

test("all nodes are looked at once a second, and until something was measured each time", () => {
  let now = 0;
  let looks = 0;
  let nodes = [{ pace: UNKNOWN_PACE }];
  const { of } = createExpectations({
    now: () => now,
    having: () => {
      looks++;
      return nodes;
    },
    serviceMs: () => 4_000,
  });
  expect([of("m"), of("m"), looks]).toEqual([null, null, 2]);
  nodes = [measured(900), measured(300)];
  expect(of("m")).toMatchObject({ firstTokenMs: 300, serviceMs: 4_000 });
  nodes = [measured(100)];
  now = 999;
  expect([of("m")?.firstTokenMs, looks]).toEqual([300, 3]);
  now = 1_000;
  expect([of("m")?.firstTokenMs, looks]).toEqual([100, 4]);
});

test("each model has its own, and more than a thousand are not remembered", () => {
  let looks = 0;
  const having = (model: string) => {
    looks++;
    return [{ pace: { ...UNKNOWN_PACE, firstToken: new Map([[model, { value: model.length, count: 1, at: 0 }]]) } }];
  };
  const { of } = createExpectations({ now: () => 0, having, serviceMs: () => 1 });
  expect([of("a")?.firstTokenMs, of("bb")?.firstTokenMs, of("a")?.firstTokenMs, looks]).toEqual([1, 2, 1, 2]);
  for (let model = 0; model < 1_000; model++) of(`m${model}`);
  expect([of("a")?.firstTokenMs, looks]).toEqual([1, 1_003]);
});
