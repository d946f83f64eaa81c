import { describe, expect, test } from "bun:test";
import { type Gpu, heartbeat, type NodeIntent } from "../shared/protocol.ts";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { AWAY, learned } from "./ollama_state.ts";
import { createSelfReport } from "./self_report.ts";
import { inMemory, onDisk } from "./testing/models.ts";

const card: Gpu = { name: "RTX", utilization: 0.5, memory_used: 1, memory_total: 2 };

function start(gpus: () => Promise<Gpu[]>) {
  const clock = fakeClock();
  const node = { intent: "serving" as NodeIntent };
  const report = createSelfReport({
    nodeId: "n",
    bootId: "boot",
    agentVersion: "1.0.0",
    slots: 4,
    port: () => 8001,
    intent: () => node.intent,
    ollama: () =>
      learned({ ...AWAY, version: null }, { ok: true, version: "0.12.6", tags: [onDisk("a")], ps: [inMemory("a")] }),
    addresses: async () => ({ ipv4: "192.168.1.20", ipv6: "fe80::1%eth0" }),
    load: async () => ({ cpu: 0.1, memory: 0.2 }),
    gpus,
    clock,
  });
  return { clock, node, report };
}

describe("createSelfReport", () => {
  test("what it says is a valid heartbeat, a link-local address included", async () => {
    const { report } = start(async () => [card]);
    expect(heartbeat.parse(await report(1))).toMatchObject({
      node_id: "n",
      ipv4: "192.168.1.20",
      ipv6: "fe80::1%eth0",
      models: ["a"],
      loaded: ["a"],
      tags: [onDisk("a")],
      ps: [inMemory("a")],
      capabilities: ["execute", "ollama"],
      gpu: [card],
      seq: 1,
    });
  });

  test("a slow driver delays a heartbeat by one second, the next one has what it said", async () => {
    const driver = Promise.withResolvers<Gpu[]>();
    const { clock, report } = start(() => driver.promise);
    let first: unknown;
    void report(1).then((body) => {
      first = body.gpu;
    });
    await clock.advance(999);
    expect(first).toBeUndefined();
    await clock.advance(1);
    expect(first).toEqual([]);
    driver.resolve([card]);
    expect((await report(2)).gpu).toEqual([card]);
  });

  test("a node that leaves does not ask the driver", async () => {
    let asked = 0;
    const { node, report } = start(async () => {
      asked += 1;
      return [card];
    });
    await report(1);
    node.intent = "left";
    expect((await report(2)).gpu).toEqual([card]);
    expect(asked).toBe(1);
  });
});
