// The error frames in the hands of the clients they are for: each must raise, not take a cut stream for a whole one.
import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import Anthropic from "@anthropic-ai/sdk";
import { ChatOllama } from "@langchain/ollama";
import { streamText } from "ai";
import { Ollama } from "ollama";
import { createOllama } from "ollama-ai-provider-v2";
import OpenAI from "openai";
import { messagesFace } from "./anthropic.ts";
import { generationFace } from "./native.ts";
import { completionsFace, responsesFace } from "./openai.ts";

const MESSAGE = "node b was lost";
const sse = (...events: object[]) =>
  events.map((json) => `${"type" in json ? `event: ${json.type}\n` : ""}data: ${JSON.stringify(json)}\n\n`).join("");
const chunk = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "m" };
const usage = { input_tokens: 9, output_tokens: 0 };
const message = { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], usage };
const response = { id: "resp_1", object: "response", status: "in_progress", error: null, output: [] };
const line = (part: object) => `${JSON.stringify({ model: "m", created_at: "2026-08-21T18:48:22Z", ...part })}\n`;

/** How a stream of each route begins; its error frame follows, and then it ends as Ollama's do: properly. */
const STREAMS: Readonly<Record<string, readonly [contentType: string, begin: string, frame: Uint8Array]>> = {
  "/api/chat": [
    "application/x-ndjson",
    line({ message: { role: "assistant", content: "Hello" }, done: false }),
    generationFace.errorFrame(MESSAGE),
  ],
  "/api/generate": [
    "application/x-ndjson",
    line({ response: "Hello", done: false }),
    generationFace.errorFrame(MESSAGE),
  ],
  "/v1/chat/completions": [
    "text/event-stream",
    sse({ ...chunk, choices: [{ index: 0, delta: { role: "assistant", content: "Hello" }, finish_reason: null }] }),
    completionsFace.errorFrame(MESSAGE),
  ],
  "/v1/completions": [
    "text/event-stream",
    sse({ ...chunk, object: "text_completion", choices: [{ index: 0, text: "Hello", finish_reason: null }] }),
    completionsFace.errorFrame(MESSAGE),
  ],
  "/v1/responses": [
    "text/event-stream",
    sse({ type: "response.created", sequence_number: 0, response }),
    responsesFace.errorFrame(MESSAGE),
  ],
  "/v1/messages": ["text/event-stream", sse({ type: "message_start", message }), messagesFace.errorFrame(MESSAGE)],
};

let server: ReturnType<typeof Bun.serve>;
let url = "";

beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const [contentType, begin, frame] = STREAMS[new URL(request.url).pathname] ?? [
        "text/plain",
        "",
        new Uint8Array(),
      ];
      const body = async function* () {
        yield Buffer.from(begin);
        // The frame must not only be understood in the same piece as what comes before it.
        await Bun.sleep(5);
        yield frame;
      };
      return new Response(body(), { headers: { "content-type": contentType } });
    },
  });
  url = server.url.href.slice(0, -1);
});
afterAll(() => server.stop(true));

const messages = [{ role: "user" as const, content: "Hello?" }];
const chat = { model: "m", messages };
const toAnthropic = { ...chat, max_tokens: 9 };
const openai = () => new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const anthropic = () => new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
const ollama = () => new Ollama({ host: url });
const langchain = () => new ChatOllama({ baseUrl: url, model: "m", maxRetries: 0 });
const compatible = () => createOpenAICompatible({ name: "hub", baseURL: `${url}/v1` });

/** Reads `stream` to its end. */
async function drain(stream: AsyncIterable<unknown> | PromiseLike<AsyncIterable<unknown>>): Promise<void> {
  for await (const _ of await stream);
}

type Raises = { prototype: Error };

test.each<[client: string, ask: () => Promise<unknown>, raises: Raises]>([
  ["openai, chat", () => drain(openai().chat.completions.create({ ...chat, stream: true })), OpenAI.APIError],
  ["openai, chat gathered", () => openai().chat.completions.stream(chat).finalContent(), OpenAI.APIError],
  [
    "openai, completions",
    () => drain(openai().completions.create({ model: "m", prompt: "Hello?", stream: true })),
    OpenAI.APIError,
  ],
  [
    "openai, responses",
    () => drain(openai().responses.create({ model: "m", input: "Hello?", stream: true })),
    OpenAI.APIError,
  ],
  [
    "openai, responses gathered",
    () => openai().responses.stream({ model: "m", input: "Hello?" }).finalResponse(),
    OpenAI.APIError,
  ],
  ["anthropic", () => drain(anthropic().messages.create({ ...toAnthropic, stream: true })), Anthropic.APIError],
  ["anthropic, gathered", () => anthropic().messages.stream(toAnthropic).finalMessage(), Anthropic.APIError],
  ["ollama, chat", () => drain(ollama().chat({ ...chat, stream: true })), Error],
  ["ollama, generate", () => drain(ollama().generate({ model: "m", prompt: "Hello?", stream: true })), Error],
  ["langchain", () => drain(langchain().stream("Hello?")), Error],
  ["langchain, gathered", () => langchain().invoke("Hello?"), Error],
])("%s raises its own error with the hub's words", async (_, ask, raises) => {
  const error = await ask().then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(raises);
  expect((error as Error).message).toContain(MESSAGE);
});

// The AI SDK never throws out of a stream: an error is a part of it, and the reason why it finished.
test.each([
  ["chat", () => compatible().chatModel("m")],
  ["completions", () => compatible().completionModel("m")],
])("the AI SDK, %s, gives the error as a part of the stream and as the reason for its end", async (_, model) => {
  const result = streamText({ model: model(), prompt: "Hello?", maxRetries: 0, onError: () => {} });
  const errors: unknown[] = [];
  for await (const part of result.fullStream) if (part.type === "error") errors.push(part.error);
  expect(errors).toEqual([{ message: MESSAGE, type: "api_error", param: null, code: null }]);
  expect(await result.finishReason).toBe("error");
});

// It drops any line that is not a whole answer object, Ollama's own error line too, and only warns on the console.
test("ollama-ai-provider-v2 does not say that the stream stopped of itself", async () => {
  const warn = spyOn(console, "warn").mockImplementation(() => {});
  try {
    const model = createOllama({ baseURL: `${url}/api` })("m");
    const result = streamText({ model, prompt: "Hello?", maxRetries: 0, onError: () => {} });
    await result.consumeStream();
    expect(await result.finishReason).toBe("other");
  } finally {
    warn.mockRestore();
  }
});
