// The `ollama` command-line program, when a node behind the hub dies.
import { expect } from "bun:test";
import { embeddingOf } from "../fake_ollama.ts";
import { GoClient, type GoLine } from "./go_client.ts";
import { nodeLossSuite } from "./node_loss_suite.ts";
import { chatModel, embeddingModel } from "./targets.ts";

const at = (url: string) => new GoClient(Number(new URL(url).port));
const generating = (prompt: string) => ({
  model: chatModel,
  prompt,
  suffix: "",
  system: "",
  template: "",
  options: {},
});

async function post(url: string, path: string, body: object): Promise<GoLine> {
  const client = at(url);
  const answer = await client.call("POST", path, { body });
  client.close();
  expect(`${answer.status} ${answer.body}`).toStartWith("200 {");
  return JSON.parse(answer.body);
}

nodeLossSuite("generate of the ollama CLI", {
  async *stream(url, prompt) {
    const client = at(url);
    for await (const line of client.stream("/api/generate", generating(prompt))) yield String(line.response);
    client.close();
  },
  whole: async (url, prompt) =>
    String((await post(url, "/api/generate", { ...generating(prompt), stream: false })).response),
  /** The text of the error line; the end of the connection alone would be "unexpected EOF". */
  expectOwnError(error) {
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(/\w+ \w+/);
    expect((error as Error).message).not.toMatch(/^unexpected EOF$|ECONNRESET/);
  },
  embed: async (url, input) =>
    (await post(url, "/api/embed", { model: embeddingModel, input, options: null })).embeddings as number[][],
  vectors: (texts) => texts.map((text) => embeddingOf(text, 8, true)),
});
