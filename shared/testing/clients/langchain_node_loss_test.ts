// The `@langchain/ollama` client, when a node behind the hub dies.
import { ChatOllama, Ollama, OllamaEmbeddings } from "@langchain/ollama";
import { embeddingOf } from "../fake_ollama.ts";
import { expectErrorLine, nodeLossSuite } from "./node_loss_suite.ts";
import { chatModel, embeddingModel } from "./targets.ts";

const chat = (baseUrl: string) => new ChatOllama({ baseUrl, model: chatModel, maxRetries: 0 });
const completion = (baseUrl: string) => new Ollama({ baseUrl, model: chatModel, maxRetries: 0 });

nodeLossSuite("ChatOllama of langchain", {
  async *stream(url, prompt) {
    for await (const chunk of await chat(url).stream(prompt)) yield chunk.text;
  },
  whole: async (url, prompt) => (await chat(url).invoke(prompt)).text,
  streamsAlways: true,
  expectOwnError: expectErrorLine,
  embed: (baseUrl, texts) =>
    new OllamaEmbeddings({ baseUrl, model: embeddingModel, maxRetries: 0 }).embedDocuments(texts),
  vectors: (texts) => texts.map((text) => embeddingOf(text, 8, true)),
});

nodeLossSuite("Ollama of langchain", {
  async *stream(url, prompt) {
    yield* await completion(url).stream(prompt);
  },
  whole: (url, prompt) => completion(url).invoke(prompt),
  streamsAlways: true,
  expectOwnError: expectErrorLine,
});
