import { expect, test } from "bun:test";
import type { Heartbeat } from "../../shared/protocol.ts";
import { createHeard, MOST_BOOTS_IN_ALL } from "./heard.ts";

const beat = (node: string, boot: string, seq: number) =>
  ({ node_id: node, public_key: "key", boot_id: boot, seq, port: 8001, models: [] }) as unknown as Heartbeat;

test("what was said before, or is older, was heard; the next number, another start and another node were not", () => {
  const heard = createHeard();
  heard.note(beat("a", "one", 5));
  expect([4, 5, 6].map((seq) => heard.has(beat("a", "one", seq)))).toEqual([true, true, false]);
  expect([heard.has(beat("a", "two", 1)), heard.has(beat("b", "one", 1))]).toEqual([false, false]);
});

test("however many names and starts there are, few are remembered, and the newest always", () => {
  const heard = createHeard();
  for (let node = 0; node < 30; node++) {
    for (let boot = 0; boot < 10_000; boot++) heard.note(beat(`n${node}`, `b${boot}`, 1));
  }
  expect(heard.boots).toBeLessThanOrEqual(MOST_BOOTS_IN_ALL);
  expect(heard.has(beat("n29", "b9999", 1))).toBe(true);
  expect(heard.has(beat("n0", "b0", 1))).toBe(false);
});
