// The `@anthropic-ai/sdk` client: messages, tools, images, thinking, errors.
import { describe, expect, test } from "bun:test";
import Anthropic, { AnthropicError, BadRequestError, NotFoundError } from "@anthropic-ai/sdk";
import { expectedText } from "../fake_ollama.ts";
import { streamingSuite } from "./streaming_suite.ts";
import {
  chatModel,
  executions,
  failInTheMiddle,
  forEachTarget,
  rejectionOf,
  thinkingModel,
  tokens,
  visionModel,
} from "./targets.ts";

const weather = {
  name: "get_weather",
  input_schema: { type: "object" as const, properties: { city: { type: "string" } } },
};

forEachTarget((target) => {
  // No retries of its own: what it gets must be right the first time.
  const messages = () => new Anthropic({ baseURL: target.url, apiKey: "ollama", maxRetries: 0 }).messages;
  const ask = (content: string) => ({
    model: chatModel,
    max_tokens: 100,
    messages: [{ role: "user" as const, content }],
  });

  streamingSuite(target, {
    name: "messages.create",
    start: async (_, content) => {
      const stream = await messages().create({ ...ask(content), stream: true });
      const pieces = async function* () {
        for await (const event of stream) {
          if (event.type === "content_block_delta" && event.delta.type === "text_delta") yield event.delta.text;
        }
      };
      return { pieces: pieces(), leave: () => stream.controller.abort() };
    },
  });

  streamingSuite(target, {
    name: "messages.stream",
    start: async (_, content) => {
      const stream = messages().stream(ask(content));
      const pieces = async function* () {
        for await (const event of stream) {
          if (event.type === "content_block_delta" && event.delta.type === "text_delta") yield event.delta.text;
        }
      };
      return { pieces: pieces(), leave: () => stream.abort() };
    },
  });

  test("a message comes whole, with usage and the reason of its end", async () => {
    const message = await messages().create({ ...ask("whole"), system: "be brief" });
    expect(message.content).toEqual([{ type: "text", text: expectedText("be brief\nwhole", 0, tokens) }] as never);
    expect(message).toMatchObject({ role: "assistant", model: chatModel, stop_reason: "end_turn" });
    expect(message.usage).toMatchObject({ output_tokens: tokens + 1 });
  });

  test("a message ends at max_tokens and says so", async () => {
    const message = await messages().create({ ...ask("short"), max_tokens: 3 });
    expect(message.content).toMatchObject([{ text: expectedText("short", 0, 3) }]);
    expect(message.stop_reason).toBe("max_tokens");
  });

  test("the stream helper puts the whole message together", async () => {
    const message = await messages().stream(ask("helper")).finalMessage();
    expect(message.content).toMatchObject([{ type: "text", text: expectedText("helper", 0, tokens) }]);
    expect(message.stop_reason).toBe("end_turn");
    expect(message.usage.output_tokens).toBe(tokens + 1);
  });

  test("a message uses a tool, whole and streamed", async () => {
    const request = { ...ask("use tool get_weather"), tools: [weather] };
    const use = { type: "tool_use", name: "get_weather", input: { city: "Oslo" }, id: expect.stringMatching(/\w{8}/) };
    for (const message of [await messages().create(request), await messages().stream(request).finalMessage()]) {
      expect(message.content).toMatchObject([use]);
      expect(message.stop_reason).toBe("tool_use");
    }
  });

  test("a message goes on after the result of a tool", async () => {
    const message = await messages().create({
      ...ask(""),
      messages: [
        { role: "user", content: "how is it outside" },
        { role: "assistant", content: [{ type: "tool_use", id: "call_1", name: "get_weather", input: {} }] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1", content: "sunny" }] },
      ],
      tools: [weather],
    });
    expect(message.content).toMatchObject([{ type: "text", text: expect.stringMatching(/^t0\./) }]);
  });

  test("a message thinks before it speaks when asked to", async () => {
    const thinking = { type: "enabled" as const, budget_tokens: 1024 };
    const request = { ...ask("ponder"), model: thinkingModel, max_tokens: 2048, thinking };
    for (const message of [await messages().create(request), await messages().stream(request).finalMessage()]) {
      expect(message.content).toMatchObject([
        { type: "thinking", thinking: expect.stringMatching(/^t0\./) },
        { type: "text", text: expectedText("ponder", 0, tokens) },
      ]);
    }
  });

  test("a message sees images of several megabytes", async () => {
    const data = Buffer.alloc(3 << 20, 7).toString("base64");
    const content = [
      { type: "image" as const, source: { type: "base64" as const, media_type: "image/png" as const, data } },
      { type: "text" as const, text: "look" },
    ];
    const request = { model: visionModel, max_tokens: 100, messages: [{ role: "user" as const, content }] };
    const message = await messages().create(request);
    expect(message.content).toMatchObject([{ text: expectedText("look", 0, tokens) }]);
  });

  describe("errors", () => {
    test("an unknown model is a NotFoundError with Ollama's words, whole and streamed", async () => {
      const request = { ...ask("hi"), model: "nope" };
      for (const stream of [false, true]) {
        const error = await rejectionOf(messages().create({ ...request, stream }));
        expect(error).toBeInstanceOf(NotFoundError);
        expect(error).toMatchObject({
          status: 404,
          error: { type: "error", error: { type: "not_found_error", message: "model 'nope' not found" } },
        });
      }
      const helped = await rejectionOf(messages().stream(request).finalMessage());
      expect(helped).toBeInstanceOf(NotFoundError);
    });

    test("a failure in the middle of a stream is an error of the stream helper", async () => {
      failInTheMiddle(target);
      expect(await rejectionOf(messages().stream(ask("fail")).finalMessage())).toBeInstanceOf(AnthropicError);
    });

    test("an invalid request is a BadRequestError with Ollama's words, and nothing runs", async () => {
      const before = executions(target).length;
      const calls: [() => Promise<unknown>, string][] = [
        [() => messages().create({ ...ask("hi"), max_tokens: 0 }), "max_tokens is required and must be positive"],
        [() => messages().create({ ...ask("hi"), messages: [] }), "messages is required"],
        [() => messages().create({ ...ask("hi"), model: "" }), "model is required"],
      ];
      for (const [call, message] of calls) {
        const error = await rejectionOf(call());
        expect(error).toBeInstanceOf(BadRequestError);
        expect(error).toMatchObject({
          status: 400,
          error: { type: "error", error: { type: "invalid_request_error", message } },
        });
      }
      expect(executions(target).length).toBe(before);
    });
  });
});
