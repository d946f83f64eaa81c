// The `@langchain/ollama` client: ChatOllama, Ollama, OllamaEmbeddings.
import { describe, expect, spyOn, test } from "bun:test";
import { HumanMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOllama, Ollama, OllamaEmbeddings } from "@langchain/ollama";
import { z } from "zod";
import { embeddingOf, expectedText, tokenAt } from "../fake_ollama.ts";
import { streamingSuite } from "./streaming_suite.ts";
import {
  aborted,
  chatModel,
  embeddingModel,
  executions,
  forEachTarget,
  rejectionOf,
  thinkingModel,
  tokens,
  visionModel,
} from "./targets.ts";

const weather = tool(() => "sunny", { name: "get_weather", schema: z.object({ city: z.string() }) });

forEachTarget((target) => {
  // No retries of its own: what it gets must be right the first time.
  const chat = (fields: { model?: string; think?: boolean; seed?: number; numPredict?: number } = {}) =>
    new ChatOllama({ baseUrl: target.url, model: chatModel, maxRetries: 0, ...fields });
  const completion = (model = chatModel) => new Ollama({ baseUrl: target.url, model, maxRetries: 0 });
  const vectors = (model = embeddingModel) => new OllamaEmbeddings({ baseUrl: target.url, model, maxRetries: 0 });

  streamingSuite(target, {
    name: "ChatOllama.stream",
    start: async (_, prompt) => {
      const model = chat();
      const stream = await model.stream(prompt);
      const pieces = async function* () {
        for await (const chunk of stream) yield chunk.text;
      };
      return { pieces: pieces(), leave: () => model.client.abort() };
    },
  });

  streamingSuite(target, {
    name: "Ollama.stream",
    start: async (_, prompt) => {
      const model = completion();
      return { pieces: await model.stream(prompt), leave: () => model.client.abort() };
    },
  });

  test("ChatOllama answers whole, with usage", async () => {
    const answer = await chat().invoke("whole");
    expect(answer.text).toBe(expectedText("whole", 0, tokens));
    expect(answer).toMatchObject({ usage_metadata: { output_tokens: tokens + 1 } });
  });

  test("ChatOllama obeys options", async () => {
    expect((await chat({ seed: 7, numPredict: 3 }).invoke("options")).text).toBe(expectedText("options", 7, 3));
  });

  test("Ollama completes whole", async () => {
    expect(await completion().invoke("complete")).toBe(expectedText("complete", 0, tokens));
  });

  test("a batch of prompts is answered in order", async () => {
    const prompts = Array.from({ length: 12 }, (_, index) => `prompt ${index}`);
    const answers = await chat().batch(prompts);
    expect(answers.map(({ text }) => text)).toEqual(prompts.map((prompt) => expectedText(prompt, 0, tokens)));
  });

  test("a bound tool is called", async () => {
    const { tool_calls } = await chat().bindTools([weather]).invoke("use tool get_weather");
    expect(tool_calls).toMatchObject([{ name: "get_weather", args: { city: "Oslo" }, type: "tool_call" }]);
  });

  test("a model thinks apart from what it says", async () => {
    const answer = await chat({ model: thinkingModel, think: true }).invoke("ponder");
    expect(answer.additional_kwargs.reasoning_content).toStartWith("t0.");
    expect(answer.text).toContain(expectedText("ponder", 0, tokens));
  });

  test("an image of several megabytes is looked at", async () => {
    const image_url = `data:image/png;base64,${Buffer.alloc(3 << 20, 7).toString("base64")}`;
    const content = [
      { type: "text" as const, text: "look" },
      { type: "image_url" as const, image_url },
    ];
    const answer = await chat({ model: visionModel }).invoke([new HumanMessage({ content })]);
    expect(answer.text).toStartWith("t0.");
  });

  test("an answer keeps to a JSON schema", async () => {
    const schema = z.object({ city: z.string(), people: z.number() });
    const answer = await chat().withStructuredOutput(schema).invoke("capital");
    expect(answer).toEqual({ city: tokenAt("capital", 0, 0), people: 1 });
  });

  test("embeddings are made of one text and of many", async () => {
    expect(await vectors().embedQuery("one")).toEqual(embeddingOf("one", 8, true));
    const texts = Array.from({ length: 50 }, (_, index) => `text ${index}`);
    expect(await vectors().embedDocuments(texts)).toEqual(texts.map((text) => embeddingOf(text, 8, true)));
  });

  test("a missing model is pulled when asked for, and answers at once", async () => {
    const log = spyOn(console, "log").mockImplementation(() => {}); // it prints every line of progress
    const model = new ChatOllama({ baseUrl: target.url, model: "pulled", checkOrPullModel: true, maxRetries: 0 });
    const answer = await model.invoke("hello").finally(() => log.mockRestore());
    expect(answer.text).toBe(expectedText("hello", 0, tokens));
  });

  test("an aborted signal ends a stream and the model's work", async () => {
    for (const ollama of target.ollamas) ollama.configure({ tokensPerSecond: 50, tokens: 400 });
    const leaving = new AbortController();
    const stream = await chat().stream("leave by signal", { signal: leaving.signal });
    const error = await rejectionOf(
      (async () => {
        for await (const _ of stream) leaving.abort();
      })(),
    );
    expect(String(error)).toMatch(/abort/i);
    await aborted(target, "leave by signal");
  });

  describe("errors", () => {
    test("an unknown model is thrown with 404 and Ollama's words", async () => {
      const quoted = 'model "nope" not found, try pulling it first';
      const calls: [() => Promise<unknown>, string][] = [
        [() => chat({ model: "nope" }).invoke("hi"), "model 'nope' not found"],
        [() => completion("nope").invoke("hi"), "model 'nope' not found"],
        [() => vectors("nope").embedQuery("hi"), quoted],
      ];
      for (const [call, message] of calls) {
        expect(await rejectionOf(call())).toMatchObject({ name: "ResponseError", status_code: 404, message });
      }
    });

    test("an invalid request is thrown with 400 and Ollama's words, and nothing runs", async () => {
      const before = executions(target).length;
      const message = '"llama3.2" does not support thinking';
      const error = await rejectionOf(chat({ think: true }).invoke("hi"));
      expect(error).toMatchObject({ name: "ResponseError", status_code: 400, message });
      expect(executions(target).length).toBe(before);
    });
  });
});
