// The AI SDK with both its providers, when a node behind the hub dies.
import { afterAll, beforeAll, expect, type Mock, spyOn } from "bun:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { type EmbeddingModel, embedMany, generateText, type LanguageModel, streamText } from "ai";
import { createOllama } from "ollama-ai-provider-v2";
import { embeddingOf } from "../fake_ollama.ts";
import { type Interruptible, nodeLossSuite } from "./node_loss_suite.ts";
import { chatModel, embeddingModel } from "./targets.ts";

/** A stream that ended without an error part, but for another reason than that the model stopped. */
class Unfinished extends Error {}

function interruptible(
  chat: (url: string) => LanguageModel,
  embedding: (url: string) => EmbeddingModel,
  expectOwnError: (error: unknown) => void,
): Interruptible {
  return {
    // The error part of the full stream is what a program sees; the text stream alone leaves it out.
    async *stream(url, prompt) {
      const { fullStream } = streamText({ model: chat(url), prompt, maxRetries: 0, onError: () => {} });
      for await (const part of fullStream) {
        if (part.type === "error") throw part.error;
        if (part.type === "text-delta") yield part.text;
        if (part.type === "finish" && part.finishReason !== "stop") throw new Unfinished(part.finishReason);
      }
    },
    whole: async (url, prompt) => (await generateText({ model: chat(url), prompt, maxRetries: 0 })).text,
    expectOwnError,
    embed: async (url, values) => (await embedMany({ model: embedding(url), values, maxRetries: 0 })).embeddings,
    vectors: (texts) => texts.map((text) => embeddingOf(text, 8, true)),
  };
}

// ollama-ai-provider-v2 prints every line it drops.
let warn: Mock<typeof console.warn>;
beforeAll(() => {
  warn = spyOn(console, "warn").mockImplementation(() => {});
});
afterAll(() => warn.mockRestore());

const compatible = (url: string) => createOpenAICompatible({ name: "hub", baseURL: `${url}/v1` });
const native = (url: string) => createOllama({ baseURL: `${url}/api` });

nodeLossSuite(
  "streamText of openai-compatible",
  interruptible(
    (url) => compatible(url).chatModel(chatModel),
    (url) => compatible(url).embeddingModel(embeddingModel),
    // The error object of the server's event, given on as it is.
    (error) => expect(error).toMatchObject({ message: expect.stringMatching(/\w+ \w+/) }),
  ),
);

nodeLossSuite(
  "streamText of ollama-ai-provider-v2",
  interruptible(
    (url) => native(url).chat(chatModel),
    (url) => native(url).embeddingModel(embeddingModel),
    // This provider drops every line that is no chat line, error lines as well, whoever sends them. What is left to a
    // program is the reason of the end: "other", not "stop". (ai_sdk_test.ts shows the same with Ollama itself.)
    (error) => expect(error).toEqual(new Unfinished("other")),
  ),
);
