// The `ollama` client of JavaScript, when a node behind the hub dies.
import { Ollama } from "ollama";
import { embeddingOf } from "../fake_ollama.ts";
import { expectErrorLine, type Interruptible, nodeLossSuite } from "./node_loss_suite.ts";
import { chatModel, embeddingModel } from "./targets.ts";

const user = (content: string) => ({ model: chatModel, messages: [{ role: "user", content }] });

const embed: Pick<Interruptible, "embed" | "vectors"> = {
  embed: async (host, input) => (await new Ollama({ host }).embed({ model: embeddingModel, input })).embeddings,
  vectors: (texts) => texts.map((text) => embeddingOf(text, 8, true)),
};

nodeLossSuite("chat of ollama", {
  async *stream(host, prompt) {
    for await (const part of await new Ollama({ host }).chat({ ...user(prompt), stream: true })) {
      yield part.message.content;
    }
  },
  whole: async (host, prompt) => (await new Ollama({ host }).chat(user(prompt))).message.content,
  expectOwnError: expectErrorLine,
  ...embed,
});

nodeLossSuite("generate of ollama", {
  async *stream(host, prompt) {
    const stream = await new Ollama({ host }).generate({ model: chatModel, prompt, stream: true });
    for await (const part of stream) yield part.response ?? "";
  },
  whole: async (host, prompt) => (await new Ollama({ host }).generate({ model: chatModel, prompt })).response ?? "",
  expectOwnError: expectErrorLine,
});
