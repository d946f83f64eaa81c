/** Hub and nodes that know each other's keys, over real sockets: nobody but the hub makes a node work. */
import { afterEach, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { loadIdentity, rotateIdentity } from "../../shared/identity.ts";
import { createLogger } from "../../shared/log.ts";
import { type FakeOllama, startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { eventually, type StartHubOptions, startTestHub, type TestHub } from "../../shared/testing/start_hub.ts";
import { type StartNodeOptions, startNode, type TestNode } from "../../shared/testing/start_node.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";

const toEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0).reverse()) await end();
});

const BODY = { model: "llama3", prompt: "why", options: { seed: 7, num_predict: 5 }, stream: false };

async function ollamaOf(): Promise<FakeOllama> {
  const ollama = await startFakeOllama({ models: ["llama3:latest"] });
  toEnd.push(ollama.stop);
  return ollama;
}

function hubOf(stateDir: string, port = 0, more: StartHubOptions["environment"] = {}): TestHub {
  const hub = startTestHub({ environment: { PORT: String(port), STATE_DIR: stateDir, ...more } });
  toEnd.push(hub.stop);
  return hub;
}

/** A node whose log lines are kept. */
async function nodeOf(hub: TestHub, options: StartNodeOptions) {
  const lines: string[] = [];
  const log = createLogger("test", "INFO", false);
  // Every level that people read.
  for (const level of ["info", "warn", "error"] as const) {
    log[level] = ((_: unknown, words?: string) => void lines.push(words ?? String(_))) as (typeof log)[typeof level];
  }
  const node = await startNode({ nodeId: "a", serverUrl: hub.url, heartbeatInterval: 1, log, ...options });
  toEnd.push(node.stop);
  return { node, lines };
}

const online = (hub: TestHub, id = "a") =>
  hub.nodeThat(id, ({ status, models }) => status === "online" && models.length > 0);

/** Everything Ollama was asked but what a node looks at by itself. */
const changing = ({ seen }: FakeOllama) => seen.filter(({ method }) => method !== "GET").map(({ path }) => path);

/** What somebody who knows a node's address can try. */
const direct = (node: TestNode, headers: Record<string, string> = {}) =>
  Promise.all([
    fetch(`${node.url}/execute`, { method: "POST", body: JSON.stringify(BODY), headers }),
    fetch(`${node.url}/ollama/api/generate`, { method: "POST", body: JSON.stringify(BODY), headers }),
    fetch(`${node.url}/ollama/api/tags`, { headers }),
    fetch(`${node.url}/ollama/api/pull`, { method: "POST", body: '{"model":"x"}', headers }),
    fetch(`${node.url}/ollama/api/blobs/sha256-${"0".repeat(64)}`, { method: "POST", body: "blob", headers }),
    fetch(`${node.url}/ollama/api/delete`, { method: "DELETE", body: '{"model":"llama3"}', headers }),
  ]);

describe("a node that has joined", () => {
  test("serves its hub by every kind of request, and answers anybody else 401 without asking Ollama", async () => {
    const ollama = await ollamaOf();
    const hub = hubOf(emptyStateFolder());
    const { node } = await nodeOf(hub, { ollamaUrl: ollama.url });
    await online(hub);

    expect((await hub.job(BODY)).status).toBe(200);
    const json = (body: unknown) => ({ method: "POST", body: JSON.stringify(body) });
    expect((await fetch(`${hub.url}/api/generate`, json(BODY))).status).toBe(200);
    expect((await fetch(`${hub.url}/api/show`, json({ model: "llama3" }))).status).toBe(200);
    expect((await fetch(`${hub.url}/api/tags`)).status).toBe(200);
    const made = await fetch(`${hub.url}/api/copy`, json({ source: "llama3", destination: "other" }));
    expect(made.status).toBe(200);
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update("blob").digest("hex")}`;
    const put = await fetch(`${hub.url}/api/blobs/${digest}`, { method: "POST", body: "blob" });
    expect(put.status).toBe(201);
    expect((await fetch(`${hub.url}/api/blobs/${digest}`, { method: "HEAD" })).status).toBe(200);

    const before = ollama.executions.length;
    const asked = changing(ollama);
    const answers = await direct(node);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
    expect(await answers[0].json()).toMatchObject({ detail: expect.stringContaining("works for its hub only") });
    expect(ollama.executions.length).toBe(before);
    expect(changing(ollama)).toEqual(asked);
    expect((await fetch(`${node.url}/health`)).status).toBe(200);
    expect((await online(hub)) as unknown).toMatchObject({ identity: "key" });
  });

  test("works with its hub again when that was restarted, and never for one with another key", async () => {
    const ollama = await ollamaOf();
    const stateDir = emptyStateFolder();
    const first = hubOf(stateDir);
    const { node, lines } = await nodeOf(first, { ollamaUrl: ollama.url });
    await online(first);
    await first.stop();

    const again = hubOf(stateDir, first.port);
    await online(again);
    expect((await again.job(BODY)).status).toBe(200);
    await again.stop();

    const rogue = hubOf(emptyStateFolder(), first.port);
    await eventually(() => expect(lines.join("\n")).toContain("trusts another hub"));
    expect(lines.join("\n")).toContain("delete hub.pin");
    expect(lines.join("\n")).toContain("--accept-hub");
    expect((await rogue.nodes()).size).toBe(0);
    const before = ollama.executions.length;
    expect((await rogue.job(BODY)).status).toBe(503);
    expect((await direct(node)).every(({ status }) => status === 401)).toBe(true);
    expect(ollama.executions.length).toBe(before);
  });

  test("follows its hub to a new key that the old one signed", async () => {
    const ollama = await ollamaOf();
    const stateDir = emptyStateFolder();
    const first = hubOf(stateDir);
    await nodeOf(first, { ollamaUrl: ollama.url });
    await online(first);
    await first.stop();
    rotateIdentity(stateDir, "hub");
    const again = hubOf(stateDir, first.port);
    await online(again);
    expect((await again.job(BODY)).status).toBe(200);
  });

  test("is taken over by no heartbeat that its key did not sign, and the dashboard hears of it", async () => {
    const ollama = await ollamaOf();
    const hub = hubOf(emptyStateFolder());
    const { node } = await nodeOf(hub, { ollamaUrl: ollama.url });
    const { routes } = await online(hub);
    const beat = { node_id: "a", ipv4: "127.0.0.1", port: 9009, models: ["llama3"], boot_id: "evil", seq: 1 };
    const bare = await hub.heartbeat(beat);
    expect(bare.status).toBe(409);
    expect(((await bare.json()) as { detail: string }).detail).toContain("the name a belongs to another key");
    const other = loadIdentity(emptyStateFolder(), "node").publicKey;
    expect((await hub.heartbeat({ ...beat, public_key: other })).status).toBe(409);
    expect((await online(hub)).routes.map(({ address }) => address)).toEqual(routes.map(({ address }) => address));
    expect((await hub.job(BODY)).headers.get("x-node-id")).toBe(node.nodeId);
  });

  test("that runs twice with one key is told of, once", async () => {
    const hub = hubOf(emptyStateFolder());
    const say = async (boot: string, seq: number) => {
      const beat = { node_id: "twin", ipv4: "127.0.0.1", port: 9009, models: ["llama3"], boot_id: boot, seq };
      return (await hub.heartbeat(beat)).status;
    };
    expect([await say("one", 1), await say("two", 1), await say("one", 2), await say("one", 3)]).toEqual([
      200, 200, 409, 409,
    ]);
    const node = (await (await fetch(`${hub.url}/nodes/twin`)).json()) as { impostor: { detail: string } };
    expect(node.impostor.detail).toContain("two agents run by this name");
  });

  test("may be replaced by an older agent never, and joins beside one", async () => {
    const ollama = await ollamaOf();
    const hub = hubOf(emptyStateFolder());
    await nodeOf(hub, { ollamaUrl: ollama.url });
    await online(hub);
    const old = { node_id: "old", ipv4: "127.0.0.1", port: 9009, models: ["llama3"], metadata: {} };
    expect((await hub.heartbeat(old)).status).toBe(200);
    expect((await hub.nodes()).get("old") as unknown).toMatchObject({ identity: "none", key_id: null });
  });
});

describe("an address", () => {
  test("that has not been proven yet is waited for: a job right after joining is served, and a restarted hub's first one", async () => {
    const ollama = await ollamaOf();
    const stateDir = emptyStateFolder();
    const hub = hubOf(stateDir);
    const statuses: number[] = [];
    for (let round = 0; round < 10; round++) {
      const { node } = await nodeOf(hub, { nodeId: `n${round}`, ollamaUrl: ollama.url });
      await node.joined;
      const pin = { method: "POST", body: JSON.stringify(BODY), headers: { "x-node-id": node.nodeId } };
      statuses.push((await fetch(`${hub.url}/api/generate`, pin)).status);
    }
    expect(statuses).toEqual(statuses.map(() => 200));
    await hub.stop();
    const again = hubOf(stateDir, hub.port);
    await eventually(async () => expect((await again.nodes()).size).toBe(10));
    expect((await again.job(BODY)).status).toBe(200);
  });

  test("is used only where the node itself answers: no prompt goes to one that somebody else has", async () => {
    const ollama = await ollamaOf();
    const hub = hubOf(emptyStateFolder());
    let prompts = 0;
    const thief = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch(request) {
        if (new URL(request.url).pathname !== "/health") prompts++;
        return Response.json({ status: "ok", node_id: "a", boot_id: "b", ollama: { ok: true } });
      },
    });
    toEnd.push(() => thief.stop(true));
    const identity = loadIdentity(emptyStateFolder(), "node");
    const { createHubClient } = await import("../../node/hub_client.ts");
    const { createHubTrust } = await import("../../node/hub_trust.ts");
    const { createFleetFetch } = await import("../../shared/fleet_fetch.ts");
    const trust = createHubTrust({
      identity,
      stateDir: emptyStateFolder(),
      serverUrl: hub.url,
      nodeId: "a",
      bootId: "b",
      joinToken: null,
      acceptHub: false,
      now: () => performance.now(),
      mayLeadHere: () => true,
      onWarning: () => {},
    });
    const client = createHubClient(hub.url, createFleetFetch(), trust);
    const body = { node_id: "a", ipv4: "127.0.0.1", port: thief.port ?? 0, models: ["llama3"], boot_id: "b", seq: 1 };
    expect((await client.heartbeat(body, 2000)).kind).toBe("accepted");
    const asked = hub.job(BODY);
    await hub.nodeThat("a", ({ reason }) => reason === "the hub does not find it at any of its addresses");
    expect((await asked).status).toBe(503);
    expect(prompts).toBe(0);
    expect(ollama.executions.length).toBe(0);
  });
});

describe("a hub that is closed to unknown nodes", () => {
  test("takes only a node with a token, which in turn trusts only that hub", async () => {
    const ollama = await ollamaOf();
    const stateDir = emptyStateFolder();
    const hub = hubOf(stateDir, 0, { JOIN: "closed" });
    const bare = await hub.heartbeat({ node_id: "old", port: 9009, models: [] });
    expect(bare.status).toBe(403);
    const { lines } = await nodeOf(hub, { ollamaUrl: ollama.url });
    await eventually(() => expect(lines.join("\n")).toContain("make a join token at the hub"));
    expect((await hub.nodes()).size).toBe(0);

    const { createJoinTokens, NEW_TOKEN } = await import("./join_tokens.ts");
    const hubId = loadIdentity(stateDir, "hub").id;
    const tokens = createJoinTokens({ stateDir, hubId, mode: "auto", wall: () => new Date() });
    const { token } = tokens.create({ ...NEW_TOKEN, uses: 1, node: "b" });
    const nodeState = emptyStateFolder();
    const environment = { JOIN_TOKEN: token, STATE_DIR: nodeState };
    const { node } = await nodeOf(hub, { nodeId: "b", ollamaUrl: ollama.url, environment });
    await online(hub, "b");
    expect((await hub.job(BODY)).status).toBe(200);
    expect(tokens.list()[0]?.uses).toBe(0);
    expect((await direct(node)).every(({ status }) => status === 401)).toBe(true);

    // It need not show the token again, and no other hub gets it with that token.
    await node.stop();
    const rogue = hubOf(emptyStateFolder());
    rmSync(join(nodeState, "hub.pin"));
    const lured = await nodeOf(rogue, { nodeId: "b", ollamaUrl: ollama.url, environment });
    await eventually(() => expect(lured.lines.join("\n")).toContain("is not the one that JOIN_TOKEN is from"));
    expect((await direct(lured.node)).every(({ status }) => status === 401)).toBe(true);
  });
});
