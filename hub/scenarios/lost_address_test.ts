/** An address at which a node has proven to be, and at which something else answers now: it gets no prompt. */
import { afterEach, expect, test } from "bun:test";
import { startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";
import { startNode } from "../../shared/testing/start_node.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { PROBE_TIMES } from "../fleet/probe.ts";

const toEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0).reverse()) await end();
});

const BODY = { model: "llama3", prompt: "why", options: { num_predict: 3 }, stream: false };
const SECRET = { ...BODY, prompt: "my secret" };

/** What may answer GET /health where the node was. */
const THIEVES: readonly [what: string, health: () => Response][] = [
  ["a 404", () => new Response("nope", { status: 404 })],
  ["junk", () => new Response("<html>")],
  ["another node", () => Response.json({ status: "ok", node_id: "somebody-else" })],
  ["the node's id without a proof", () => Response.json({ status: "ok", node_id: "a" })],
  ["a redirect", () => new Response(null, { status: 302, headers: { location: "http://127.0.0.1:9/health" } })],
  ["an answer that does not end", () => new Response(new ReadableStream({ start: (to) => to.enqueue("{") }))],
];

async function start(idleEveryMs: number) {
  const ollama = await startFakeOllama({ models: ["llama3:latest"] });
  const times = { ...PROBE_TIMES, idleEveryMs, busyEveryMs: 100, timeoutMs: 500 };
  const hub = startTestHub({ probeTimes: times });
  const stateDir = emptyStateFolder();
  const begin = (port = 0) =>
    startNode({ nodeId: "a", ollamaUrl: ollama.url, serverUrl: hub.url, port, environment: { STATE_DIR: stateDir } });
  const node = await begin();
  toEnd.push(hub.stop, ollama.stop, node.stop);
  await hub.nodeThat("a", ({ status, models }) => status === "online" && models.length > 0);
  /** Something else takes the node's address. */
  const steal = (health: () => Response) => {
    const prompts: string[] = [];
    const thief = Bun.serve({
      hostname: "127.0.0.1",
      port: node.port,
      async fetch(request) {
        if (new URL(request.url).pathname === "/health") return health();
        prompts.push(await request.text());
        return Response.json({ model: "llama3", response: "pwned", done: true, done_reason: "stop" });
      },
    });
    toEnd.push(() => thief.stop(true));
    return { prompts, stop: () => thief.stop(true) };
  };
  const comeBack = async () => {
    const again = await begin(node.port);
    toEnd.push(again.stop);
    await again.joined;
  };
  return { hub, node, steal, comeBack };
}

test.each(THIEVES)(
  "where a probe finds %s, nothing is sent until the node has proven itself anew",
  async (_, health) => {
    const { hub, node, steal, comeBack } = await start(100);
    expect((await hub.job(BODY)).status).toBe(200);
    await node.kill();
    const thief = steal(health);
    await hub.nodeThat("a", ({ reason }) => reason === "the hub does not find it at any of its addresses");
    expect((await hub.job(SECRET)).status).toBe(503);
    expect(thief.prompts).toEqual([]);
    await thief.stop();
    await comeBack();
    await eventually(async () => expect((await hub.job(BODY)).status).toBe(200));
  },
);

test.each(THIEVES)("after a refused connection %s gets no prompt, though no probe has met it", async (_, health) => {
  const { hub, node, steal } = await start(600_000);
  await node.kill();
  expect((await hub.job(BODY)).status).toBe(503);
  const thief = steal(health);
  expect((await hub.job(SECRET)).status).toBe(503);
  expect(thief.prompts).toEqual([]);
});

test("a node that is back at its address after a refused connection is served at once", async () => {
  const { hub, node, comeBack } = await start(600_000);
  await node.kill();
  expect((await hub.job(BODY)).status).toBe(503);
  await comeBack();
  expect((await hub.job(BODY)).status).toBe(200);
});
