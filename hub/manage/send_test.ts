/** Management requests that break off, over real sockets: what the hub makes of the node's address. */
import { expect, test } from "bun:test";
import { silentLogger } from "../../shared/log.ts";
import { startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { eventually } from "../../shared/testing/start_hub.ts";
import { startNode } from "../../shared/testing/start_node.ts";
import { stateFolderForTest } from "../../shared/testing/state_folder.ts";
import { readHubConfig } from "../config.ts";
import { startHub } from "../hub.ts";

test("a node that is gone in the middle of a pull has to prove its address before it gets anything again", async () => {
  const environment = { PORT: "0", HUB_HOST: "127.0.0.1", STATE_DIR: stateFolderForTest() };
  const hub = startHub(readHubConfig(environment), { log: silentLogger });
  const ollama = await startFakeOllama({ pullMs: 60_000 });
  const url = `http://127.0.0.1:${hub.server.port}`;
  const node = await startNode({ nodeId: "a", serverUrl: url, ollamaUrl: ollama.url });
  try {
    await eventually(() => expect(hub.registry.get("a")?.dialable).toBe(true));
    const answer = await fetch(`${url}/api/pull`, { method: "POST", body: JSON.stringify({ model: "phi3" }) });
    await answer.body?.getReader().read();
    expect(hub.registry.get("a")?.doubted.size).toBe(0);
    await node.kill();
    await eventually(() => expect(hub.registry.get("a")?.doubted.size).toBe(1));
  } finally {
    await node.stop();
    await hub.stop();
    await ollama.stop();
  }
});
