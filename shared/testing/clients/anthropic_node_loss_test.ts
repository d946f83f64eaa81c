// The `@anthropic-ai/sdk` client, when a node behind the hub dies.
import { expect } from "bun:test";
import Anthropic, { APIError } from "@anthropic-ai/sdk";
import { nodeLossSuite } from "./node_loss_suite.ts";
import { chatModel } from "./targets.ts";

const at = (url: string) => new Anthropic({ baseURL: url, apiKey: "ollama", maxRetries: 0 }).messages;
const user = (content: string) => ({
  model: chatModel,
  max_tokens: 1000,
  messages: [{ role: "user" as const, content }],
});

function expectOwnError(error: unknown): void {
  expect(error).toBeInstanceOf(APIError);
  expect((error as APIError).error).toMatchObject({
    type: "error",
    error: { type: expect.any(String), message: expect.stringMatching(/\w+ \w+/) },
  });
}

async function* texts(events: AsyncIterable<Anthropic.MessageStreamEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type === "content_block_delta" && event.delta.type === "text_delta") yield event.delta.text;
  }
}

async function whole(url: string, prompt: string): Promise<string> {
  const { content } = await at(url).create(user(prompt));
  return content.map((block) => (block.type === "text" ? block.text : "")).join("");
}

nodeLossSuite("messages.create of anthropic", {
  async *stream(url, prompt) {
    yield* texts(await at(url).create({ ...user(prompt), stream: true }));
  },
  whole,
  expectOwnError,
});

nodeLossSuite("messages.stream of anthropic", {
  stream: (url, prompt) => texts(at(url).stream(user(prompt))),
  whole,
  expectOwnError,
});
