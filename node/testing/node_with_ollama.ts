/** A node in front of a stand-in Ollama, and the few things every transport test does with the two. */
import { type NodeHealth, nodeHealth } from "../../shared/protocol.ts";
import { eventuallyWithin } from "../../shared/testing/eventually.ts";
import { type FakeOllama, type FakeOllamaOptions, startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { everybody, type StartNodeOptions, startNode, type TestNode } from "../../shared/testing/start_node.ts";

export interface NodeWithOllama {
  readonly ollama: FakeOllama;
  readonly node: TestNode;
  stop(): Promise<void>;
}

/** Starts both; the node has no hub and serves whoever asks. */
export async function startNodeWithOllama(
  ollamaOptions: FakeOllamaOptions = {},
  nodeOptions: StartNodeOptions = {},
): Promise<NodeWithOllama> {
  const ollama = await startFakeOllama(ollamaOptions);
  const node = await startNode({ ollamaUrl: ollama.url, gate: everybody, ...nodeOptions });
  return {
    ollama,
    node,
    async stop() {
      await node.stop();
      await ollama.stop();
    },
  };
}

/** A valid body for POST /execute whose answer is `expectedText("why", 7, 20)`. */
export const job = (more: Record<string, unknown> = {}) => ({
  job_id: "job-1",
  model: "llama3",
  prompt: "why",
  options: { seed: 7, num_predict: 20 },
  ...more,
});

/** Sends `body` to the node's POST /execute. */
export function postExecute(url: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(`${url}/execute`, { method: "POST", body: JSON.stringify(body), ...init });
}

/** The node's GET /health. */
export async function healthOf(node: TestNode): Promise<NodeHealth> {
  return nodeHealth.parse(await (await fetch(`${node.url}/health`)).json());
}

/** Resolves when neither Ollama nor the node works on anything any more; rejects after five seconds. */
export function idle(node: TestNode, ollama: FakeOllama): Promise<void> {
  return eventuallyWithin(
    5_000,
    2,
  )(async () => {
    const { running, waiting } = ollama.counters;
    const slots = (await healthOf(node)).running;
    if (running + waiting + (slots ?? 0) > 0) throw new Error(`at work: ${running}, ${waiting}, slots taken: ${slots}`);
  });
}

/** The text that the lines of a streamed answer add up to. */
export function wholeText(lines: string): string {
  const texts = lines.trimEnd().split("\n");
  return texts.map((line) => String(JSON.parse(line).response)).join("");
}
