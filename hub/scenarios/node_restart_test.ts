/** Tickets across a restart of the node's agent: a used one stays used, and a request that comes too early is not lost. */
import { afterEach, expect, test } from "bun:test";
import { createFleetFetch, type FleetRequest } from "../../shared/fleet_fetch.ts";
import { PATHS } from "../../shared/protocol.ts";
import { startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import { startNode } from "../../shared/testing/start_node.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";

const toEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0).reverse()) await end();
});

const BODY = { model: "llama3", prompt: "why", options: { num_predict: 3 }, stream: false };

/** A hub, and a node that is killed and started again, on the same port with the same key. */
async function start() {
  const ollama = await startFakeOllama({ models: ["llama3:latest"] });
  const seen: { url: string; headers: FleetRequest["headers"] }[] = [];
  const fetchPlainly = createFleetFetch();
  const hub = startTestHub({
    fetch(url, request) {
      if (url.endsWith(PATHS.execute)) seen.push({ url, headers: request.headers });
      return fetchPlainly(url, request);
    },
  });
  const slow = { heartbeatMs: 0 };
  // In front of the hub: heartbeats may take their time.
  const wire = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === PATHS.heartbeat) await Bun.sleep(slow.heartbeatMs);
      const body = request.method === "POST" ? { body: await request.bytes() } : {};
      return fetch(hub.url + pathname, { method: request.method, headers: request.headers, ...body });
    },
  });
  const environment = { STATE_DIR: emptyStateFolder() };
  const begin = (port = 0) =>
    startNode({ nodeId: "a", ollamaUrl: ollama.url, serverUrl: `http://127.0.0.1:${wire.port}`, port, environment });
  const first = await begin();
  toEnd.push(hub.stop, () => wire.stop(true), ollama.stop, first.stop);
  await hub.nodeThat("a", ({ status, models }) => status === "online" && models.length > 0);
  return {
    hub,
    ollama,
    seen,
    slow,
    async restart() {
      await first.kill();
      const again = await begin(first.port);
      toEnd.push(again.stop);
      return again;
    },
  };
}

test("a ticket that was used is refused after a restart of the node, too", async () => {
  const { hub, ollama, seen, restart } = await start();
  const answer = await hub.job(BODY);
  const body = JSON.stringify({ ...BODY, job_id: answer.headers.get("x-request-id") });
  const replay = async () => {
    const [{ url = "", headers = {} } = {}] = seen;
    const { "content-length": _, ...sent } = headers as Record<string, string>;
    return (await fetch(url, { method: "POST", headers: sent, body })).status;
  };
  expect(await replay()).toBe(401);
  const node = await restart();
  expect(await replay()).toBe(401);
  await node.joined;
  expect(await replay()).toBe(401);
  expect(ollama.executions.length).toBe(1);
});

test("a request that reaches a node before the hub has heard of its restart is served, and counts against nobody", async () => {
  const { hub, ollama, seen, slow, restart } = await start();
  slow.heartbeatMs = 400;
  await restart();
  const answer = await hub.job(BODY);
  expect(answer.status).toBe(200);
  expect(seen.length).toBe(2);
  expect(ollama.executions.length).toBe(1);
  expect((await hub.nodes()).get("a")).toMatchObject({ failure_count: 0, status: "online" });
});
