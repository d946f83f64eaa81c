import { expect, test } from "bun:test";
import fc from "fast-check";
import { type FailureKind, RULES } from "./failover.ts";
import { hasBudget, needsBudget } from "./retry_budget.ts";

test.each<[active: number, most: number]>([
  [1, 3],
  [10, 3],
  [23, 3],
  [24, 4],
  [60, 10],
  [120, 20],
  [600, 100],
])("of %p active requests %p may try again", (active, most) => {
  let retries = 0;
  while (hasBudget({ active, retries })) retries++;
  expect(retries).toBe(most);
});

test("retries are never more than 20 % of the active requests, or three", () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(10_000), (active, retries) => {
      if (hasBudget({ active, retries })) expect(retries + 1).toBeLessThanOrEqual(Math.max(3, active * 0.2));
      else expect(retries).toBeGreaterThanOrEqual(3);
    }),
  );
});

const NEEDING: readonly FailureKind[] = [
  "server_error",
  "runner_crashed",
  "first_byte_timeout",
  "stalled",
  "truncated",
  "protocol_error",
];
const LOSSES: readonly FailureKind[] = ["connection_lost", "node_lost", "node_restarted"];

test.each(Object.keys(RULES) as FailureKind[])(
  "a first failure of the kind %s needs budget as the table says",
  (kind) => {
    expect(needsBudget([kind])).toBe(NEEDING.includes(kind));
  },
);

test("a request's first loss is free, after whatever else; its second is not", () => {
  for (const loss of LOSSES) {
    expect(needsBudget(["server_error", loss])).toBe(false);
    for (const first of LOSSES) expect(needsBudget([first, "unreachable", loss])).toBe(true);
  }
});

test("only the last failure decides, and before the first there is none", () => {
  expect(needsBudget(["server_error", "unreachable"])).toBe(false);
  expect(needsBudget([])).toBe(false);
});
