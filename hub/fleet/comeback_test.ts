import { expect, test } from "bun:test";
import type { Logger } from "../../shared/log.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { createComeback } from "./comeback.ts";

function start() {
  const clock = fakeClock();
  const said: string[] = [];
  const log = { info: (_: object, sentence: string) => said.push(sentence) } as unknown as Logger;
  const comeback = createComeback({ clock, log, bootId: "this" });
  const beat = (node_id: string, hub_boot_id: string | null, models: string[]) =>
    comeback.heard({ node_id, hub_boot_id, models });
  return { clock, said, comeback, beat };
}

test("nodes that another start of the hub had accepted are counted when all had time to come, and said once", async () => {
  const { clock, said, beat } = start();
  await clock.advance(1_000);
  beat("a", "before", ["m", "n"]);
  beat("b", "before", ["m"]);
  await clock.advance(3_200);
  beat("c", "before", []);
  beat("c", "this", ["o"]);
  await clock.advance(4_799);
  expect(said).toEqual([]);
  await clock.advance(1);
  expect(said).toEqual(["3 nodes are back after the restart, 3 models: the last one 4.2 s after the hub's start"]);
  beat("d", "before", ["m"]);
  await clock.advance(60_000);
  expect(said).toHaveLength(1);
});

test("a fleet that never knew another hub has not come back", async () => {
  const { clock, said, beat } = start();
  beat("a", null, ["m"]);
  beat("a", "this", ["m"]);
  await clock.advance(60_000);
  expect(said).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("one node with one model is said in the singular, however late it comes", async () => {
  const { clock, said, beat } = start();
  await clock.advance(120_000);
  beat("a", "before", ["m"]);
  await clock.advance(8_000);
  expect(said).toEqual(["1 node is back after the restart, 1 model: the last one 120 s after the hub's start"]);
});

test("a hub that stops says nothing more", async () => {
  const { clock, said, comeback, beat } = start();
  beat("a", "before", ["m"]);
  comeback.stop();
  await clock.advance(60_000);
  expect(said).toEqual([]);
  expect(clock.pending).toBe(0);
});
