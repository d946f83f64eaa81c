import { describe, expect, test } from "bun:test";
import { type Logger, silentLogger } from "../shared/log.ts";
import type { HeartbeatBody } from "../shared/protocol.ts";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { createHeartbeat } from "./heartbeat.ts";
import type { Announced, HubSight } from "./heartbeat_policy.ts";
import type { HeartbeatOutcome } from "./hub_client.ts";

const accepted = (bootId: string | null = "hub-1"): HeartbeatOutcome => ({
  kind: "accepted",
  bootId,
  answer: { node_id: "n", status: "ok" },
});
const unreachable: HeartbeatOutcome = { kind: "unreachable", reason: "connection refused" };

function start(first: HeartbeatOutcome = accepted()) {
  const clock = fakeClock();
  const sent: { at: number; body: HeartbeatBody }[] = [];
  const said: string[] = [];
  const world = {
    outcome: first as HeartbeatOutcome | Promise<HeartbeatOutcome>,
    sight: { kind: "answered", bootId: "hub-1" } as HubSight,
    node: { models: ["a"], loaded: [], ollamaOk: true, ollamaVersion: "1", intent: "serving", cert: null } as Announced,
  };
  const loop = createHeartbeat({
    hub: {
      heartbeat: async (body) => {
        sent.push({ at: clock.now(), body });
        return world.outcome;
      },
      look: async () => world.sight,
    },
    serverUrl: "http://hub",
    nodeId: "n",
    intervalMs: 30_000,
    lookIntervalMs: 5000,
    report: async (seq) => ({
      node_id: "n",
      port: 8001,
      models: [...world.node.models],
      seq,
      intent: world.node.intent,
    }),
    announced: () => world.node,
    clock,
    random: () => 0.5,
    log: { ...silentLogger, warn: (_: unknown, line?: string) => void said.push(line ?? "") } as Logger,
  });
  return { clock, sent, said, world, loop, times: () => sent.map(({ at }) => at) };
}

describe("createHeartbeat", () => {
  test("the first heartbeat goes out at once, the next a little before the interval ends", async () => {
    const { clock, loop, times } = start();
    loop.start();
    await clock.advance(60_000);
    expect(times()).toEqual([0, 28_500, 57_000]);
    await loop.joined;
  });

  test("the sequence number rises by one with every heartbeat", async () => {
    const { clock, loop, sent } = start();
    loop.start();
    await clock.advance(90_000);
    expect(sent.map(({ body }) => body.seq)).toEqual([1, 2, 3, 4]);
  });

  test("a hub that is away is tried after 1, 2, 4, 5, 5 s and a little more", async () => {
    const { clock, loop, times } = start(unreachable);
    loop.start();
    await clock.advance(20_000);
    expect(times()).toEqual([0, 1100, 3300, 7700, 13_200, 18_700]);
  });

  test("one lost heartbeat is made good within two seconds", async () => {
    const { clock, loop, world, times } = start();
    loop.start();
    await clock.advance(20_000);
    world.outcome = unreachable;
    await clock.advance(9000);
    world.outcome = accepted();
    await clock.advance(2000);
    expect(times()).toEqual([0, 28_500, 29_600]);
  });

  test("a hub that says no is asked again at the interval only", async () => {
    const { clock, loop, times } = start({ kind: "rejected", reason: "status 400" });
    loop.start();
    loop.changed();
    await clock.advance(58_000);
    expect(times()).toEqual([0, 28_500, 57_000]);
  });

  test("that a hub says no is said once, and again when it says something else", async () => {
    const { clock, loop, world, said } = start({ kind: "rejected", reason: "status 400" });
    loop.start();
    world.node = { ...world.node, models: ["a", "b"] };
    loop.changed();
    await clock.advance(60_000);
    expect(said).toEqual(["hub http://hub refuses this node: status 400"]);
    world.outcome = { kind: "rejected", reason: "status 409: the name is taken" };
    await clock.advance(60_000);
    world.outcome = accepted();
    await clock.advance(30_000);
    world.outcome = { kind: "rejected", reason: "status 409: the name is taken" };
    await clock.advance(30_000);
    const taken = "hub http://hub refuses this node: status 409: the name is taken";
    expect(said.slice(1)).toEqual([taken, taken]);
  });

  test("a changed model list is told at once", async () => {
    const { clock, loop, world, times } = start();
    loop.start();
    await clock.advance(10_000);
    world.node = { ...world.node, models: ["a", "b"] };
    loop.changed();
    await clock.advance(0);
    expect(times()).toEqual([0, 10_000]);
  });

  test("a report of a change that changed nothing sends nothing", async () => {
    const { clock, loop, times } = start();
    loop.start();
    await clock.advance(10_000);
    loop.changed();
    await clock.advance(0);
    expect(times()).toEqual([0]);
  });

  test("a change during a heartbeat is told right after it", async () => {
    const { clock, loop, world, sent } = start();
    const slow = Promise.withResolvers<HeartbeatOutcome>();
    world.outcome = slow.promise;
    loop.start();
    await clock.advance(100);
    world.node = { ...world.node, intent: "draining" };
    loop.changed();
    await clock.advance(0);
    expect(sent).toHaveLength(1);
    world.outcome = accepted();
    slow.resolve(accepted());
    await clock.advance(0);
    expect(sent.map(({ body }) => body.intent)).toEqual(["serving", "draining"]);
  });

  test("a restarted hub is joined again within one look", async () => {
    const { clock, loop, world, times } = start();
    loop.start();
    await clock.advance(9000);
    world.sight = { kind: "answered", bootId: "hub-2" };
    world.outcome = accepted("hub-2");
    await clock.advance(8000);
    expect(times()).toEqual([0, 10_000]);
  });

  test("each heartbeat says which hub accepted the node last", async () => {
    const { clock, loop, world, sent } = start();
    loop.start();
    await clock.advance(9000);
    world.sight = { kind: "answered", bootId: "hub-2" };
    world.outcome = accepted("hub-2");
    await clock.advance(40_000);
    expect(sent.map(({ body }) => body.hub_boot_id)).toEqual([undefined, "hub-1", "hub-2"]);
  });

  test("a hub that stops answering is tried at once and then with back-off until it is back", async () => {
    const { clock, loop, world, times } = start();
    loop.start();
    await clock.advance(4000);
    world.sight = { kind: "away" };
    world.outcome = unreachable;
    await clock.advance(3000);
    expect(times()).toEqual([0, 5000, 6100]);
    world.sight = { kind: "answered", bootId: "hub-2" };
    world.outcome = accepted("hub-2");
    await clock.advance(20_000);
    expect(times()).toEqual([0, 5000, 6100, 8300]);
  });

  test("a node that leaves says so once and is silent afterwards", async () => {
    const { clock, loop, world, sent } = start();
    loop.start();
    await clock.advance(1000);
    world.node = { ...world.node, intent: "left" };
    await loop.finish(2000);
    await clock.advance(120_000);
    expect(sent.map(({ body }) => body.intent)).toEqual(["serving", "left"]);
    expect(clock.pending).toBe(0);
  });

  test("a killed node is silent at once", async () => {
    const { clock, loop, sent } = start();
    loop.start();
    await clock.advance(1000);
    loop.stop();
    await clock.advance(120_000);
    expect(sent).toHaveLength(1);
  });
});
