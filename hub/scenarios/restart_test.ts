/** A restarted hub has its fleet back, by nodes as they are in the field: they look for it every 5 seconds. */
import { expect, test } from "bun:test";
import type { Logger } from "../../shared/log.ts";
import { startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";
import { startNode } from "../../shared/testing/start_node.ts";

/** What the hub says, sentence by sentence. */
function listener(): { log: Logger; said: string[] } {
  const said: string[] = [];
  const take = (_: unknown, sentence?: string) => said.push(sentence ?? "");
  return { said, log: { info: take, warn: take, error: take, debug: take } as unknown as Logger };
}

test("after a restart of the hub all nodes are back within 8 seconds, and it says so once", async () => {
  const NODES = 6;
  const before = startTestHub();
  const ollama = await startFakeOllama({ models: ["llama3:latest", "phi3:latest"] });
  const nodes = await Promise.all(
    Array.from({ length: NODES }, async (_, index) => {
      // Not all at the same moment, as in the field.
      await Bun.sleep(index * 150);
      return startNode({ nodeId: `n${index}`, serverUrl: before.url, ollamaUrl: ollama.url, hubLookMs: 5_000 });
    }),
  );
  await Promise.all(nodes.map(({ joined }) => joined));
  await eventually(async () => {
    for (const node of (await before.nodes()).values()) expect(node.models).toHaveLength(2);
  });
  await before.stop();

  const { log, said } = listener();
  const after = startTestHub({ environment: { PORT: String(before.port) }, log });
  const startedAt = performance.now();
  // Twice `eventually` gives it 20 s: a machine under load is no reason to fail, but the figure below is printed.
  const online = async () => [...(await after.nodes()).values()].filter(({ status }) => status === "online").length;
  await eventually(async () => expect(await online()).toBe(NODES));
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(`${NODES} nodes back after ${seconds.toFixed(1)} s`);
  expect(seconds).toBeLessThan(10);
  const sentence = () => said.filter((each) => each.includes("back after the restart"));
  await eventually(() => expect(sentence()).toHaveLength(1));
  expect(sentence()[0]).toStartWith(`${NODES} nodes are back after the restart, 2 models: the last one `);

  await after.stop();
  await Promise.all(nodes.map((node) => node.stop()));
  await ollama.stop();
}, 40_000);
