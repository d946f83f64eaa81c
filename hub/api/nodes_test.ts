import { expect, test } from "bun:test";
import fc from "fast-check";
import { fakeFleet, heartbeatBody } from "../testing/fake_fleet.ts";
import { LIMITS } from "../testing/node_facts.ts";
import { describeNode, nodeWriter } from "./nodes.ts";

type FakeFleet = ReturnType<typeof fakeFleet>;

const describeFor = (fleet: FakeFleet, id?: string, now = fleet.registry.now()) =>
  describeNode(fleet.node(id), now, { liveness: LIMITS, digests: { of: () => [] }, registry: fleet.registry });

test("a node begins with the user's fields, under their names and in their order", async () => {
  const fleet = fakeFleet();
  await fleet.clock.advance(9_727);
  const {
    boot_id: _,
    agent_version: __,
    ...older
  } = heartbeatBody({
    node_id: "ollama-node-1",
    ipv4: "192.168.1.100",
    ipv6: "2401:4900:8898:97bf:ca46:8cc3:6e3:1a5b",
    models: ["qwen2.5:7b", "llama3"],
    metadata: { hostname: "node1" },
    load: { cpu: 0.25, memory: 0.45 },
  });
  fleet.beat({ ...older, boot_id: null, agent_version: null });
  const json = JSON.parse(JSON.stringify(describeFor(fleet, "ollama-node-1")));
  const users = Object.fromEntries(Object.entries(json).slice(0, 11));
  expect(JSON.stringify(users)).toBe(
    JSON.stringify({
      node_id: "ollama-node-1",
      ipv4: "192.168.1.100",
      ipv6: "2401:4900:8898:97bf:ca46:8cc3:6e3:1a5b",
      port: 8001,
      models: ["qwen2.5:7b", "llama3"],
      metadata: { hostname: "node1" },
      load: { cpu: 0.25, memory: 0.45 },
      last_seen: "2026-01-01T00:00:09.727Z",
      status: "online",
      active_jobs: 0,
      failure_count: 0,
    }),
  );
});

test("what this version adds stands behind", () => {
  const fleet = fakeFleet();
  fleet.beat({
    slots: 2,
    loaded: ["llama3:latest"],
    ollama: { ok: true, version: "0.12.6" },
    capabilities: ["ollama"],
    gpu: [{ name: "RTX 4090", utilization: 0.5, memory_used: 1, memory_total: 2 }],
  });
  fleet.registry.routeSeen("a", "http://192.0.2.1:8001", "connected", 1.23456);
  expect(describeFor(fleet, undefined, 0)).toMatchObject({
    reason: null,
    liveness: "fresh",
    trust: "admitted",
    intent: "serving",
    slots: 2,
    loaded: ["llama3:latest"],
    gpu: [{ name: "RTX 4090", utilization: 0.5, memory_used: 1, memory_total: 2 }],
    routes: [
      { family: "IPv6", address: "2001:db8::1", reachable: null, rtt_ms: null },
      { family: "IPv4", address: "192.0.2.1", reachable: true, rtt_ms: 1.23 },
    ],
    ollama: { ok: true, version: "0.12.6" },
    agent_version: "0.1.0",
    capabilities: ["ollama"],
  });
});

test("a node without a load or an address of a family says null, not nothing", () => {
  const fleet = fakeFleet();
  fleet.beat({ ipv6: null, load: null });
  const json = JSON.parse(JSON.stringify(describeFor(fleet, undefined, 0)));
  expect(json).toMatchObject({ ipv6: null, load: null });
});

test("work and failures are counted while they last", () => {
  const fleet = fakeFleet();
  fleet.beat();
  const describe = () => describeFor(fleet);
  fleet.registry.reserve("a");
  const second = fleet.registry.reserve("a");
  fleet.registry.failed("a", "reset");
  expect(describe()).toMatchObject({ active_jobs: 2, failure_count: 1, status: "online" });
  second.release();
  fleet.registry.succeeded("a", 5);
  expect(describe()).toMatchObject({ active_jobs: 1, failure_count: 0 });
});

test("the status follows the heartbeats and the failures, and says why", async () => {
  const fleet = fakeFleet();
  fleet.beat();
  const status = () => {
    const { status, reason, liveness } = describeFor(fleet);
    return [status, reason, liveness];
  };
  for (let failure = 0; failure < 3; failure++) fleet.registry.failed("a", "reset");
  expect(status()).toEqual(["degraded", "3 failures in a row, last: reset", "fresh"]);
  for (let second = 0; second < 90; second++) {
    await fleet.clock.advance(1000);
    fleet.registry.sweep();
  }
  expect(status()).toEqual(["offline", "no heartbeat", "expired"]);
});

test("the address that would be dialled first is marked, and it is another when that one does not answer", () => {
  const fleet = fakeFleet();
  fleet.beat({ ipv4: "192.0.2.7", ipv6: "2001:db8::7" });
  const inUse = () =>
    describeFor(fleet)
      .routes.filter(({ in_use }) => in_use)
      .map(({ family }) => family);
  expect(inUse()).toEqual(["IPv6"]);
  fleet.registry.routeSeen(fleet.node().id, "http://[2001:db8::7]:8001", "failed");
  expect(inUse()).toEqual(["IPv4"]);
});

test("of an ejected node is said how long its cool-down is still", async () => {
  const fleet = fakeFleet();
  fleet.beat();
  expect(describeFor(fleet).trust_until_ms).toBeNull();
  fleet.registry.lose(fleet.node().id, "it does not answer");
  await fleet.clock.advance(10_000);
  expect(describeFor(fleet)).toMatchObject({ trust: "ejected", trust_until_ms: 20_000 });
  for (let times = 0; times < 3; times++) {
    await fleet.clock.advance(9_000);
    describeFor(fleet);
  }
  expect(describeFor(fleet).trust_until_ms).toBe(0);
});

test("the list has the very text of each node, whatever they say of their models", () => {
  const name = fc.constantFrom("llama3", "LLaMA3:latest", "phi3:mini", 'a"b', "müsli:1b");
  const details = fc.option(fc.record({ parameter_size: fc.constantFrom("8.0B", 3, "") }), { nil: undefined });
  const onDisk = fc.record({ name, digest: fc.constantFrom("a".repeat(64), "b"), size: fc.nat(2), details });
  const inMemory = fc.record({ name, digest: fc.constant("b"), size: fc.nat(), size_vram: fc.nat() });
  const anyNode = fc.record({
    models: fc.array(name, { maxLength: 4 }),
    disk: fc.array(onDisk, { maxLength: 4 }),
    memory: fc.array(inMemory, { maxLength: 2 }),
    loaded: fc.array(name, { maxLength: 3 }),
  });
  // Most have what their list tells, and many the same.
  const anyAlike = anyNode.map((node) => ({ ...node, models: node.disk.map(({ name }) => name) }));
  fc.assert(
    fc.property(fc.array(fc.oneof(anyNode, anyAlike), { maxLength: 6 }), (told) => {
      const fleet = fakeFleet();
      const nodes = told.flatMap((node, index) => [node, { ...node, loaded: told[index - 1]?.loaded ?? [] }]);
      for (const [index, { models, disk, memory, loaded }] of nodes.entries()) {
        fleet.beat({
          node_id: `n${index}`,
          models,
          tags: disk.map((entry) => ({ ...entry, modified_at: "2026-01-01T00:00:00Z" })),
          ps: memory.map((entry) => ({ ...entry, expires_at: "2026-01-01T00:05:00Z" })),
          loaded,
        });
      }
      const hub = { liveness: LIMITS, digests: { of: () => [] }, registry: fleet.registry };
      const write = nodeWriter(hub);
      for (const node of fleet.registry.all()) {
        expect(write(node, 0)).toBe(JSON.stringify(describeNode(node, 0, hub)));
      }
    }),
    { numRuns: 500 },
  );
});
