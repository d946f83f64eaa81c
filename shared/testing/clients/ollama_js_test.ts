// The `ollama` client of JavaScript: talking, tools, images, vectors, errors.
import { describe, expect, test } from "bun:test";
import { type AbortableAsyncIterator, type ChatResponse, type GenerateResponse, Ollama } from "ollama";
import { embeddingOf, expectedText, tokenAt } from "../fake_ollama.ts";
import { streamingSuite } from "./streaming_suite.ts";
import {
  aborted,
  chatModel,
  embeddingModel,
  executions,
  failInTheMiddle,
  forEachTarget,
  rejectionOf,
  thinkingModel,
  tokens,
  visionModel,
} from "./targets.ts";

const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city",
    parameters: { type: "object", required: ["city"], properties: { city: { type: "string" } } },
  },
};
const capital = { type: "object", properties: { city: { type: "string" }, people: { type: "integer" } } };

forEachTarget((target) => {
  const client = () => new Ollama({ host: target.url });
  const ask = (content: string) => ({ model: chatModel, messages: [{ role: "user", content }] });

  streamingSuite(target, {
    name: "chat",
    start: async (_, content) =>
      piecesOf(await client().chat({ ...ask(content), stream: true }), (part) => part.message.content),
  });
  streamingSuite(target, {
    name: "generate",
    start: async (_, prompt) =>
      piecesOf(await client().generate({ model: chatModel, prompt, stream: true }), (part) => part.response ?? ""),
  });

  test("chat answers whole, with the model's name as it was asked for", async () => {
    const answer = await client().chat(ask("chat whole"));
    expect(answer.message).toEqual({ role: "assistant", content: expectedText("chat whole", 0, tokens) });
    expect(answer).toMatchObject({ model: chatModel, done: true, done_reason: "stop", eval_count: tokens + 1 });
  });

  test("chat obeys options", async () => {
    const answer = await client().chat({ ...ask("options"), options: { seed: 7, num_predict: 3 } });
    expect(answer.message.content).toBe(expectedText("options", 7, 3));
    expect(answer.done_reason).toBe("length");
  });

  test("generate answers whole, with a context to go on from", async () => {
    const answer = await client().generate({ model: chatModel, prompt: "generate whole" });
    expect(answer.response).toBe(expectedText("generate whole", 0, tokens));
    expect(answer.context.length).toBeGreaterThan(0);
    const next = await client().generate({ model: chatModel, prompt: "and then", context: answer.context });
    expect(next.response).toBe(expectedText("and then", 0, tokens));
  });

  test("an answer of many kilobytes comes whole", async () => {
    const answer = await client().generate({ model: chatModel, prompt: "long", options: { num_predict: 5000 } });
    expect(answer.response).toBe(expectedText("long", 0, 5000));
  });

  for (const stream of [false, true]) {
    test(`chat calls a tool, ${stream ? "streamed" : "whole"}`, async () => {
      const request = { ...ask("use tool get_weather"), tools: [weather] };
      const parts = stream ? await all(await client().chat({ ...request, stream })) : [await client().chat(request)];
      const calls = parts.flatMap((part) => part.message.tool_calls ?? []);
      expect(calls.map((call) => call.function)).toMatchObject([{ name: "get_weather", arguments: { city: "Oslo" } }]);
    });

    test(`chat thinks before it speaks, ${stream ? "streamed" : "whole"}`, async () => {
      const request = { ...ask("ponder"), model: thinkingModel, think: true };
      const parts = stream ? await all(await client().chat({ ...request, stream })) : [await client().chat(request)];
      expect(parts.map((part) => part.message.thinking ?? "").join("")).toStartWith("t0.");
      expect(parts.map((part) => part.message.content).join("")).toBe(expectedText("ponder", 0, tokens));
    });
  }

  test("a model that thinks does not when told so", async () => {
    const answer = await client().chat({ ...ask("at once"), model: thinkingModel, think: false });
    expect(answer.message.thinking).toBeUndefined();
  });

  test("chat takes images of several megabytes as bytes", async () => {
    const images = [new Uint8Array(3 << 20).fill(7)];
    const answer = await client().chat({ model: visionModel, messages: [{ role: "user", content: "look", images }] });
    expect(answer.message.content).toBe(expectedText("look", 0, tokens));
  });

  test("an image that is no base64 is refused with Ollama's words", async () => {
    const request = { model: visionModel, prompt: "look", images: ["not base64!"] };
    expect(await rejectionOf(client().generate(request))).toMatchObject({
      name: "ResponseError",
      status_code: 400,
      message: "illegal base64 data at input byte 3",
    });
  });

  test("chat keeps to a JSON schema", async () => {
    const answer = await client().chat({ ...ask("capital"), format: capital });
    expect(JSON.parse(answer.message.content)).toEqual({ city: tokenAt("capital", 0, 0), people: 1 });
  });

  describe("embeddings", () => {
    test("embed makes one vector of one text", async () => {
      const answer = await client().embed({ model: embeddingModel, input: "one" });
      expect(answer.embeddings).toEqual([embeddingOf("one", 8, true)]);
      expect(answer.model).toBe(embeddingModel);
    });

    test("embed makes vectors of many texts in their order", async () => {
      const input = Array.from({ length: 50 }, (_, index) => `text ${index}`);
      const answer = await client().embed({ model: embeddingModel, input });
      expect(answer.embeddings).toEqual(input.map((text) => embeddingOf(text, 8, true)));
    });

    test("the old embeddings make a vector that is not normalised", async () => {
      const answer = await client().embeddings({ model: embeddingModel, prompt: "old" });
      expect(answer.embedding).toEqual(embeddingOf("old", 8, false));
    });
  });

  describe("errors", () => {
    test("an unknown model is a ResponseError with 404 and Ollama's words, on every route", async () => {
      const model = "nope";
      const quoted = `model "nope" not found, try pulling it first`;
      const calls: [() => Promise<unknown>, string][] = [
        [() => client().chat({ ...ask("hi"), model }), "model 'nope' not found"],
        [() => client().chat({ ...ask("hi"), model, stream: true }), "model 'nope' not found"],
        [() => client().generate({ model, prompt: "hi" }), "model 'nope' not found"],
        [() => client().show({ model }), "model 'nope:latest' not found"],
        [() => client().embed({ model, input: "hi" }), quoted],
        [() => client().embeddings({ model, prompt: "hi" }), quoted],
        [() => client().copy({ source: model, destination: "copied" }), 'model "nope" not found'],
        [() => client().delete({ model }), "model 'nope' not found"],
      ];
      for (const [call, message] of calls) {
        expect(await rejectionOf(call())).toMatchObject({ name: "ResponseError", status_code: 404, message });
      }
    });

    test("an invalid request is a ResponseError with 400 and Ollama's words, and nothing runs", async () => {
      const before = executions(target).length;
      const calls: [() => Promise<unknown>, string][] = [
        [() => client().chat({ ...ask("hi"), keep_alive: "5" }), 'time: missing unit in duration "5"'],
        [() => client().chat({ ...ask("hi"), think: true }), '"llama3.2" does not support thinking'],
        [() => client().chat({ ...ask("hi"), model: embeddingModel }), '"all-minilm" does not support chat'],
        [() => client().chat({ ...ask("hi"), model: "" }), "model is required"],
        [() => client().generate({ model: "a//b", prompt: "hi" }), "invalid model name"],
      ];
      for (const [call, message] of calls) {
        expect(await rejectionOf(call())).toMatchObject({ name: "ResponseError", status_code: 400, message });
      }
      expect(executions(target).length).toBe(before);
    });

    test("an error of the model in the middle of a stream is thrown with its words", async () => {
      const message = "an error was encountered while running the model: unexpected EOF";
      failInTheMiddle(target);
      const failing = await rejectionOf(all(await client().chat({ ...ask("fail in the middle"), stream: true })));
      expect(failing).toBeInstanceOf(Error);
      expect(failing).toMatchObject({ message });
    });
  });

  test("abort() of the client ends all its streams", async () => {
    const one = client();
    for (const ollama of target.ollamas) ollama.fault({ kind: "hangAfterTokens", tokens: 1, times: 2 });
    const streams = await Promise.all(
      ["first of two", "second of two"].map((it) => one.chat({ ...ask(it), stream: true })),
    );
    one.abort();
    for (const stream of streams) expect(await rejectionOf(all(stream))).toMatchObject({ name: "AbortError" });
    await aborted(target, "first of two", "second of two");
  });
});

async function all<T extends object>(stream: AbortableAsyncIterator<T>): Promise<T[]> {
  const parts: T[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

function piecesOf<T extends ChatResponse | GenerateResponse>(
  stream: AbortableAsyncIterator<T>,
  textOf: (part: T) => string,
) {
  const pieces = async function* () {
    for await (const part of stream) yield textOf(part);
  };
  return { pieces: pieces(), leave: () => stream.abort() };
}
