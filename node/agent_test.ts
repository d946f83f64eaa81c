import { afterEach, describe, expect, test } from "bun:test";
import { HEADERS, nodeHealth } from "../shared/protocol.ts";
import { expectedText, type FakeOllamaOptions, startFakeOllama } from "../shared/testing/fake_ollama.ts";
import { type StartNodeOptions, startNode, type TestNode } from "../shared/testing/start_node.ts";
import { wholeText } from "./testing/node_with_ollama.ts";
import { type StubHub, startStubHub } from "./testing/stub_hub.ts";
import { until } from "./testing/until.ts";

const toEnd: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

async function start(ollamaOptions: FakeOllamaOptions = {}, nodeOptions: StartNodeOptions = {}) {
  const hub = startStubHub();
  const ollama = await startFakeOllama(ollamaOptions);
  const node = await startNode({ serverUrl: hub.url, ollamaUrl: ollama.url, ...nodeOptions });
  toEnd.push(node.stop, ollama.stop, hub.stop);
  return { hub, ollama, node };
}

const last = (hub: StubHub) => hub.heartbeats.at(-1);

function post(node: TestNode, more: Record<string, unknown> = {}): Promise<Response> {
  const body = { model: "llama3", prompt: "why", options: { seed: 7, num_predict: 20 }, ...more };
  return fetch(`${node.url}/execute`, { method: "POST", body: JSON.stringify(body) });
}

describe("joining", () => {
  test("the first heartbeat tells who the node is, where, and what it can run", async () => {
    const { hub, node } = await start({ models: ["llama3:latest", "qwen2.5:7b"], loaded: [], version: "0.33.0" });
    await node.joined;
    expect(hub.invalid).toEqual([]);
    expect(hub.heartbeats[0]).toMatchObject({
      node_id: node.nodeId,
      ipv4: "127.0.0.1",
      ipv6: null,
      port: node.port,
      models: ["llama3:latest", "qwen2.5:7b"],
      slots: 4,
      boot_id: node.bootId,
      seq: 1,
      ollama: { ok: true, version: "0.33.0" },
      agent_version: "0.0.0-test",
      capabilities: ["execute", "ollama"],
      intent: "serving",
    });
    expect(hub.heartbeats[0]?.load?.memory).toBeGreaterThan(0);
  });

  test("a node without Ollama joins with no model, and tells the hub as soon as Ollama is there", async () => {
    const { hub, ollama, node } = await start();
    const port = ollama.port;
    await ollama.stop();
    const late = await startNode({ serverUrl: hub.url, ollamaUrl: ollama.url, nodeId: "late" });
    toEnd.push(late.stop);
    await late.joined;
    const of = () => hub.heartbeats.filter((heartbeat) => heartbeat.node_id === "late");
    expect(of()[0]).toMatchObject({ models: [], ollama: { ok: false } });
    const risen = await startFakeOllama({ port });
    toEnd.push(risen.stop);
    await until("the hub knows", () => of().at(-1)?.ollama?.ok === true);
    expect(of()[1]).toMatchObject({ models: ["llama3:latest"], seq: 2 });
    await node.stop();
  });

  test("a new model, and an Ollama that dies, are told at once", async () => {
    const { hub, ollama, node } = await start();
    await node.joined;
    ollama.setModels(["llama3:latest", "mistral:7b"]);
    await until("the hub knows the model", () => last(hub)?.models.includes("mistral:7b") === true);
    await ollama.stop();
    await until("the hub knows Ollama is gone", () => last(hub)?.ollama?.ok === false);
    expect(last(hub)?.models).toEqual([]);
  });

  test("a node that starts before the hub joins when the hub is there", async () => {
    const { hub, ollama } = await start();
    await hub.goAway();
    const early = await startNode({ serverUrl: hub.url, ollamaUrl: ollama.url, nodeId: "early" });
    toEnd.push(early.stop);
    await Bun.sleep(100);
    hub.comeBack();
    await early.joined;
    expect(last(hub)?.node_id).toBe("early");
  });

  test("a hub that restarted is joined again without waiting for the interval", async () => {
    const { hub, node } = await start();
    await node.joined;
    const before = hub.heartbeats.length;
    await hub.goAway();
    hub.comeBack();
    await until("the node has joined again", () => hub.heartbeats.length > before);
  });

  test("a hub that refuses is not hammered", async () => {
    const { hub, node } = await start({}, { heartbeatInterval: 1 });
    await node.joined;
    hub.refuseWith(400);
    await until("it was refused", () => hub.heartbeats.length === 2);
    await Bun.sleep(500);
    expect(hub.heartbeats.length).toBe(2);
  });
});

describe("draining", () => {
  test("running streams finish, new work is handed back, the hub hears both the drain and the end", async () => {
    const { hub, node } = await start({ tokensPerSecond: 50 });
    await node.joined;
    const running = await post(node);
    const drained = node.drain();
    await until("the hub knows", () => last(hub)?.intent === "draining");
    const refused = await post(node);
    expect(refused.status).toBe(503);
    expect(refused.headers.get(HEADERS.declined)).toBe("draining");
    const health = nodeHealth.parse(await (await fetch(`${node.url}/health`)).json());
    expect(health).toMatchObject({ intent: "draining", running: 1 });
    expect(wholeText(await running.text())).toBe(expectedText("why", 7, 20));
    await drained;
    // In this order; that a model was loaded meanwhile may have been worth a heartbeat, too.
    expect([...new Set(hub.heartbeats.map(({ intent }) => intent))]).toEqual(["serving", "draining", "left"]);
    await expect(post(node)).rejects.toThrow();
  });

  test("what does not finish in time is cut, never ended cleanly", async () => {
    const { ollama, node } = await start({ tokensPerSecond: 20 }, { drainTimeout: 0.2 });
    await node.joined;
    const text = (await post(node, { options: { num_predict: 10_000 } })).text();
    const cut = text.then(
      () => "ended cleanly",
      () => "broken",
    );
    await node.drain();
    expect(await cut).toBe("broken");
    await until("Ollama has stopped", () => ollama.counters.aborted === 1);
  });

  test("a hub that is away does not hold up the end", async () => {
    const { hub, node } = await start();
    await node.joined;
    await hub.goAway();
    const began = performance.now();
    await node.drain();
    expect(performance.now() - began).toBeLessThan(3000);
  });
});

describe("a node that is killed", () => {
  test("resets its streams, stops Ollama's work and says no goodbye", async () => {
    const { hub, ollama, node } = await start({ tokensPerSecond: 20 });
    await node.joined;
    const text = (await post(node)).text();
    const ended = text.then(
      () => "ended cleanly",
      () => "broken",
    );
    await node.kill();
    expect(await ended).toBe("broken");
    await until("Ollama has stopped", () => ollama.counters.aborted === 1);
    expect(hub.heartbeats.every(({ intent }) => intent === "serving")).toBe(true);
    await expect(fetch(`${node.url}/health`)).rejects.toThrow();
  });
});
