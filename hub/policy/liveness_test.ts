import { expect, test } from "bun:test";
import { type Liveness, livenessOf } from "./liveness.ts";

const limits = { staleMs: 60_000, expiredMs: 90_000, goneMs: 180_000 };

test.each<[silentMs: number, liveness: Liveness]>([
  [0, "fresh"],
  [59_999, "fresh"],
  [60_000, "stale"],
  [89_999, "stale"],
  [90_000, "expired"],
  [179_999, "expired"],
  [180_000, "gone"],
])("a node silent for %p ms is %p", (silentMs, liveness) => {
  expect(livenessOf(silentMs, limits)).toBe(liveness);
});
