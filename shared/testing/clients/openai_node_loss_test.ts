// The `openai` client, when a node behind the hub dies.
import { expect } from "bun:test";
import OpenAI, { APIError } from "openai";
import { embeddingOf } from "../fake_ollama.ts";
import { nodeLossSuite } from "./node_loss_suite.ts";
import { chatModel, embeddingModel } from "./targets.ts";

const at = (url: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "ollama", maxRetries: 0 });
const user = (content: string) => ({ model: chatModel, messages: [{ role: "user" as const, content }] });

function expectOwnError(error: unknown): void {
  expect(error).toBeInstanceOf(APIError);
  expect((error as APIError).message).toMatch(/\w+ \w+/);
}

nodeLossSuite("chat.completions of openai", {
  async *stream(url, prompt) {
    for await (const chunk of await at(url).chat.completions.create({ ...user(prompt), stream: true })) {
      yield chunk.choices[0]?.delta.content ?? "";
    }
  },
  whole: async (url, prompt) => (await at(url).chat.completions.create(user(prompt))).choices[0]?.message.content ?? "",
  expectOwnError,
  embed: async (url, input) => {
    const { data } = await at(url).embeddings.create({ model: embeddingModel, input });
    return data.map(({ embedding }) => embedding);
  },
  vectors: (texts) => texts.map((text) => embeddingOf(text, 8, true)),
});

nodeLossSuite("completions of openai", {
  async *stream(url, prompt) {
    for await (const chunk of await at(url).completions.create({ model: chatModel, prompt, stream: true })) {
      yield chunk.choices[0]?.text ?? "";
    }
  },
  whole: async (url, prompt) => (await at(url).completions.create({ model: chatModel, prompt })).choices[0]?.text ?? "",
  expectOwnError,
});

nodeLossSuite("responses of openai", {
  async *stream(url, input) {
    for await (const event of await at(url).responses.create({ model: chatModel, input, stream: true })) {
      if (event.type === "response.output_text.delta") yield event.delta;
    }
  },
  whole: async (url, input) => (await at(url).responses.create({ model: chatModel, input })).output_text,
  expectOwnError,
});
