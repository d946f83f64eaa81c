// The `openai` client: chat completions, completions, tools, images, reasoning, vectors, models, errors.
import { describe, expect, test } from "bun:test";
import OpenAI, { APIError, APIUserAbortError, BadRequestError, NotFoundError } from "openai";
import type { Stream } from "openai/core/streaming";
import { embeddingOf, expectedText, tokenAt } from "../fake_ollama.ts";
import { eventually } from "../start_hub.ts";
import { streamingSuite } from "./streaming_suite.ts";
import {
  aborted,
  chatModel,
  embeddingModel,
  executions,
  failInTheMiddle,
  forEachTarget,
  models,
  rejectionOf,
  thinkingModel,
  tokens,
  tokensBeforeFailure,
  visionModel,
} from "./targets.ts";

const weather = {
  type: "function" as const,
  function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};
const capital = { type: "object", properties: { city: { type: "string" }, people: { type: "integer" } } };

forEachTarget((target) => {
  // No retries of its own: what it gets must be right the first time.
  const client = () => new OpenAI({ baseURL: `${target.url}/v1`, apiKey: "ollama", maxRetries: 0 });
  const { chat, completions, embeddings } = {
    chat: () => client().chat.completions,
    completions: () => client().completions,
    embeddings: () => client().embeddings,
  };
  const ask = (content: string) => ({ model: chatModel, messages: [{ role: "user" as const, content }] });

  streamingSuite(target, {
    name: "chat.completions",
    start: async (_, content) =>
      piecesOf(await chat().create({ ...ask(content), stream: true }), (chunk) => chunk.choices[0]?.delta.content),
  });
  streamingSuite(target, {
    name: "completions",
    start: async (_, prompt) =>
      piecesOf(
        await completions().create({ model: chatModel, prompt, stream: true }),
        (chunk) => chunk.choices[0]?.text,
      ),
  });

  test("chat completes whole, with usage", async () => {
    const { choices, usage, model } = await chat().create(ask("chat whole"));
    expect(choices).toMatchObject([
      { message: { role: "assistant", content: expectedText("chat whole", 0, tokens) }, finish_reason: "stop" },
    ]);
    expect(usage?.completion_tokens).toBe(tokens + 1);
    expect(model).toBe(chatModel);
  });

  test("leaving before the whole answer came ends the model's work", async () => {
    for (const ollama of target.ollamas) ollama.fault({ kind: "hangAfterTokens", tokens: 3 });
    const leaving = new AbortController();
    const answer = rejectionOf(chat().create(ask("leave early"), { signal: leaving.signal }));
    await eventually(() => expect(executions(target, "leave early")[0]?.tokensSent).toBe(3));
    leaving.abort();
    expect(await answer).toBeInstanceOf(APIUserAbortError);
    await aborted(target, "leave early");
  });

  test("chat obeys seed and max_tokens", async () => {
    const { choices } = await chat().create({ ...ask("options"), seed: 7, max_tokens: 3 });
    expect(choices[0]).toMatchObject({ message: { content: expectedText("options", 7, 3) }, finish_reason: "length" });
  });

  test("a stream says role, text, reason to end, and usage when asked for it", async () => {
    const stream = await chat().create({ ...ask("usage"), stream: true, stream_options: { include_usage: true } });
    const chunks = await all(stream);
    expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant");
    expect(chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).toEqual(["stop"]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: tokens + 1 } });
  });

  test("the stream helper of chat puts the whole answer together", async () => {
    const answer = await chat().stream(ask("helper")).finalContent();
    expect(answer).toBe(expectedText("helper", 0, tokens));
  });

  test("completions complete whole", async () => {
    const { choices, object } = await completions().create({ model: chatModel, prompt: "complete" });
    expect(choices).toMatchObject([{ text: expectedText("complete", 0, tokens), finish_reason: "stop" }]);
    expect(object).toBe("text_completion");
  });

  test("chat calls a tool, whole and streamed", async () => {
    const request = { ...ask("use tool get_weather"), tools: [weather] };
    const { choices } = await chat().create(request);
    expect(choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: { tool_calls: [{ type: "function", function: { name: "get_weather", arguments: '{"city":"Oslo"}' } }] },
    });
    const streamed = await chat().stream(request).finalChatCompletion();
    expect(streamed.choices[0]?.message.tool_calls).toMatchObject([
      { function: { name: "get_weather", arguments: '{"city":"Oslo"}' } },
    ]);
  });

  test("chat reasons when asked to, and says so apart from the text", async () => {
    const request = { ...ask("ponder"), model: thinkingModel, reasoning_effort: "high" as const };
    const { choices } = await chat().create(request);
    expect(choices[0]?.message).toMatchObject({
      content: expectedText("ponder", 0, tokens),
      reasoning: expect.stringMatching(/^t0\./),
    });
  });

  test("chat takes images of several megabytes as data addresses, and refuses those of the web", async () => {
    const look = (url: string) => ({
      model: visionModel,
      messages: [
        {
          role: "user" as const,
          content: [
            { type: "text" as const, text: "look" },
            { type: "image_url" as const, image_url: { url } },
          ],
        },
      ],
    });
    const image = `data:image/png;base64,${Buffer.alloc(3 << 20, 7).toString("base64")}`;
    const { choices } = await chat().create(look(image));
    expect(choices[0]?.message.content).toBe(expectedText("look", 0, tokens));
    const refused = await rejectionOf(chat().create(look("https://example.com/a.png")));
    expect(refused).toBeInstanceOf(BadRequestError);
    expect((refused as APIError).message).toContain("image URLs are not currently supported");
  });

  test("chat keeps to a JSON schema and parses it", async () => {
    const response_format = { type: "json_schema" as const, json_schema: { name: "capital", schema: capital } };
    const { choices } = await chat().parse({ ...ask("capital"), response_format });
    expect(JSON.parse(choices[0]?.message.content ?? "")).toEqual({ city: tokenAt("capital", 0, 0), people: 1 });
    const json = await chat().create({ ...ask("any json"), response_format: { type: "json_object" } });
    expect(JSON.parse(json.choices[0]?.message.content ?? "")).toEqual({ answer: tokenAt("any json", 0, 0) });
  });

  test("embeddings are made of one text and of many, over the client's base64 and as numbers", async () => {
    const one = await embeddings().create({ model: embeddingModel, input: "one" });
    expect(one.data).toEqual([{ object: "embedding", embedding: embeddingOf("one", 8, true), index: 0 }]);
    const input = Array.from({ length: 50 }, (_, index) => `text ${index}`);
    const many = await embeddings().create({ model: embeddingModel, input, encoding_format: "float" });
    expect(many.data.map(({ embedding }) => embedding)).toEqual(input.map((text) => embeddingOf(text, 8, true)));
    expect(many.data.map(({ index }) => index)).toEqual([...input.keys()]);
    expect(many.usage.prompt_tokens).toBeGreaterThan(0);
  });

  test("models are listed once each, and told of one by one", async () => {
    const listed: string[] = [];
    for await (const { id, owned_by } of client().models.list()) {
      listed.push(id);
      expect(owned_by).toBe("library");
    }
    expect(listed.toSorted()).toEqual(models.map(({ name }) => `${name}:latest`).toSorted());
    expect(await client().models.retrieve(chatModel)).toMatchObject({ id: chatModel, object: "model" });
  });

  test("a recording is transcribed", async () => {
    const file = new File(["sound"], "sound.wav");
    const { text } = await client().audio.transcriptions.create({ file, model: chatModel });
    expect(text).toStartWith("t0.");
  });

  describe("errors", () => {
    test("an unknown model is a NotFoundError with Ollama's words, on every route", async () => {
      const unknown = { ...ask("hi"), model: "nope" };
      const found = "model 'nope' not found";
      const calls: [() => Promise<unknown>, string][] = [
        [() => chat().create(unknown), found],
        [() => chat().create({ ...unknown, stream: true }), found],
        [() => completions().create({ model: "nope", prompt: "hi" }), found],
        [() => client().responses.create({ model: "nope", input: "hi" }), found],
        [() => client().models.retrieve("nope"), "model 'nope:latest' not found"],
        [() => embeddings().create({ model: "nope", input: "hi" }), 'model "nope" not found, try pulling it first'],
      ];
      for (const [call, message] of calls) {
        const error = await rejectionOf(call());
        expect(error).toBeInstanceOf(NotFoundError);
        expect(error).toMatchObject({ status: 404, message: `404 ${message}`, type: "not_found_error" });
      }
    });

    test("a failure in the middle of a stream never looks like the end of the answer", async () => {
      failInTheMiddle(target);
      const stream = await chat().create({ ...ask("fail"), stream: true });
      const parts: OpenAI.ChatCompletionChunk[] = [];
      try {
        for await (const chunk of stream) parts.push(chunk);
      } catch (error) {
        expect(error).toBeInstanceOf(APIError);
      }
      const texts = parts.map(({ choices }) => choices[0]?.delta.content ?? "");
      expect(texts.join("")).toBe(expectedText("fail", 0, tokensBeforeFailure));
      expect(parts.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).toEqual([]);
    });

    test("an invalid request is a BadRequestError with Ollama's words, and nothing runs", async () => {
      const before = executions(target).length;
      const calls: [() => Promise<unknown>, string][] = [
        [() => chat().create({ model: chatModel, messages: [] }), "[] is too short - 'messages'"],
        [() => chat().create({ ...ask("hi"), model: "" }), "model is required"],
        [() => chat().create({ ...ask("hi"), model: embeddingModel }), '"all-minilm" does not support chat'],
        [() => chat().create({ ...ask("hi"), reasoning_effort: "high" }), '"llama3.2" does not support thinking'],
        [() => embeddings().create({ model: embeddingModel, input: [] }), "invalid input"],
      ];
      for (const [call, message] of calls) {
        const error = await rejectionOf(call());
        expect(error).toBeInstanceOf(BadRequestError);
        expect(error).toMatchObject({ status: 400, message: `400 ${message}`, type: "invalid_request_error" });
      }
      expect(executions(target).length).toBe(before);
    });
  });
});

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const parts: T[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

function piecesOf<T>(stream: Stream<T>, textOf: (chunk: T) => string | null | undefined) {
  const pieces = async function* () {
    for await (const chunk of stream) yield textOf(chunk) ?? "";
  };
  return { pieces: pieces(), leave: () => stream.controller.abort() };
}
