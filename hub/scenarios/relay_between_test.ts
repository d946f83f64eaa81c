/** Somebody between hub and node who passes everything on: the hub must not take its address for the node's. */
import { afterEach, expect, test } from "bun:test";
import { request as send } from "node:http";
import { startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import { startNode } from "../../shared/testing/start_node.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";

const toEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0).reverse()) await end();
});

const OTHER = "127.0.0.2";

/** Passes `request` on to `port` of 127.0.0.1, coming from OTHER. */
async function passOn(request: Request, port: number): Promise<Response> {
  const body = Buffer.from(await request.arrayBuffer());
  const { pathname, search } = new URL(request.url);
  const headers = { ...Object.fromEntries(request.headers), host: `127.0.0.1:${port}` };
  const to = { host: "127.0.0.1", port, localAddress: OTHER, method: request.method, path: pathname + search, headers };
  return new Promise((resolve, reject) => {
    const sent = send(to, async (answer) => {
      const kept = new Headers();
      for (const [name, value] of Object.entries(answer.headers)) {
        if (!/length|encoding|connection/.test(name)) kept.set(name, String(value));
      }
      resolve(
        new Response(Buffer.concat(await Array.fromAsync(answer as AsyncIterable<Uint8Array>)), {
          status: answer.statusCode ?? 500,
          headers: kept,
        }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

test("a relay that hub and node both take for the other one gets no prompt", async () => {
  const ollama = await startFakeOllama({ models: ["llama3:latest"] });
  const hub = startTestHub({ environment: { HUB_HOST: "0.0.0.0", STATE_DIR: emptyStateFolder() } });
  const asHub = Bun.serve({ hostname: OTHER, port: 0, fetch: (request) => passOn(request, hub.port) });
  const node = await startNode({
    nodeId: "a",
    ollamaUrl: ollama.url,
    serverUrl: `http://${OTHER}:${asHub.port}`,
    environment: { NODE_HOST: "127.0.0.1", STATE_DIR: emptyStateFolder() },
  });
  const stolen: string[] = [];
  const asNode = Bun.serve({
    hostname: OTHER,
    port: node.port,
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname !== "/health") stolen.push(pathname);
      return passOn(request, node.port);
    },
  });
  toEnd.push(
    ollama.stop,
    hub.stop,
    () => asHub.stop(true),
    node.stop,
    () => asNode.stop(true),
  );
  await node.joined;
  const { routes } = await hub.nodeThat(
    "a",
    ({ reason }) => reason === "the hub does not find it at any of its addresses",
  );
  expect(routes.map(({ address }) => address)).toEqual([OTHER]);
  expect((await hub.job({ model: "llama3", prompt: "my secret", stream: false })).status).toBe(503);
  expect(stolen).toEqual([]);
});
