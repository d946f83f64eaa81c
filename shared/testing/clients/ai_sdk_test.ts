// The AI SDK (`ai`) with its two ways to Ollama: `@ai-sdk/openai-compatible` over /v1, `ollama-ai-provider-v2` over /api.
import { describe, expect, spyOn, test } from "bun:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  type EmbeddingModel,
  embed,
  embedMany,
  generateText,
  type JSONValue,
  jsonSchema,
  type LanguageModel,
  Output,
  streamText,
  type ToolSet,
  tool,
} from "ai";
import { createOllama } from "ollama-ai-provider-v2";
import { embeddingOf, expectedText, tokenAt } from "../fake_ollama.ts";
import { streamingSuite } from "./streaming_suite.ts";
import {
  chatModel,
  embeddingModel,
  executions,
  failInTheMiddle,
  forEachTarget,
  rejectionOf,
  type Target,
  thinkingModel,
  tokens,
  tokensBeforeFailure,
  visionModel,
} from "./targets.ts";

interface Provider {
  readonly name: string;
  chat(url: string, model: string): LanguageModel;
  embedding(url: string, model: string): EmbeddingModel;
  /** Provider options that ask a model to think. */
  readonly thinking: Record<string, Record<string, JSONValue>>;
  /** How a stream ends whose model failed. */
  readonly failed: "error" | "other";
  /** Where Ollama's words stand in an error. */
  words(error: APICallError): string;
}

const providers: Provider[] = [
  {
    name: "openai-compatible",
    chat: (url, model) =>
      createOpenAICompatible({ name: "hub", baseURL: `${url}/v1`, supportsStructuredOutputs: true }).chatModel(model),
    embedding: (url, model) => createOpenAICompatible({ name: "hub", baseURL: `${url}/v1` }).embeddingModel(model),
    thinking: { hub: { reasoningEffort: "high" } },
    failed: "error",
    words: (error) => error.message,
  },
  {
    name: "ollama-ai-provider-v2",
    chat: (url, model) => createOllama({ baseURL: `${url}/api` }).chat(model),
    embedding: (url, model) => createOllama({ baseURL: `${url}/api` }).embeddingModel(model),
    thinking: { ollama: { think: true } },
    // It drops lines that are no chat lines, so an error line is neither an error part nor a finished answer.
    failed: "other",
    // It expects OpenAI's error object, so its message is the status text; Ollama's words are in the body only.
    words: (error) => JSON.parse(error.responseBody ?? "{}").error,
  },
];

const capital = jsonSchema<{ city: string; people: number }>({
  type: "object",
  properties: { city: { type: "string" }, people: { type: "integer" } },
  required: ["city", "people"],
  additionalProperties: false,
});
const tools: ToolSet = {
  get_weather: tool({
    description: "The weather of a city",
    inputSchema: jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } } }),
  }),
};

forEachTarget((target) => {
  for (const provider of providers) describe(provider.name, () => providerSuite(target, provider));
});

function providerSuite(target: Target, provider: Provider): void {
  // No retries of its own: what it gets must be right the first time.
  const asking = (prompt: string, model = chatModel) => ({
    model: provider.chat(target.url, model),
    prompt,
    maxRetries: 0,
  });
  const named = (text: string) => `${text}, ${provider.name}`;

  streamingSuite(target, {
    name: `streamText, ${provider.name}`,
    start: async (_, prompt) => {
      const leaving = new AbortController();
      const { textStream } = streamText({ ...asking(prompt), abortSignal: leaving.signal, onError: () => {} });
      return { pieces: textStream, leave: () => leaving.abort() };
    },
  });

  test("generateText answers whole, with usage", async () => {
    const prompt = named("whole");
    const { text, finishReason, usage } = await generateText(asking(prompt));
    expect(text).toBe(expectedText(prompt, 0, tokens));
    expect(finishReason).toBe("stop");
    expect(usage.outputTokens).toBe(tokens + 1);
  });

  test("streamText ends with the reason of the end and usage", async () => {
    const answer = streamText(asking(named("stream")));
    await answer.consumeStream();
    expect(await answer.finishReason).toBe("stop");
    expect(await answer.text).toBe(expectedText(named("stream"), 0, tokens));
  });

  test("a tool is called, whole and streamed", async () => {
    const request = { ...asking("use tool get_weather"), tools };
    const streamed = streamText(request);
    await streamed.consumeStream();
    for (const toolCalls of [(await generateText(request)).toolCalls, await streamed.toolCalls]) {
      expect(toolCalls).toMatchObject([{ toolName: "get_weather", input: { city: "Oslo" } }]);
    }
    expect(await streamed.finishReason).toBe("tool-calls");
  });

  test("a model thinks before it speaks, whole and streamed", async () => {
    const request = { ...asking("ponder", thinkingModel), providerOptions: provider.thinking };
    const whole = await generateText(request);
    expect(whole.reasoningText).toStartWith("t0.");
    expect(whole.text).toBe(expectedText("ponder", 0, tokens));
    const streamed = streamText(request);
    await streamed.consumeStream();
    expect(await streamed.reasoningText).toBe(whole.reasoningText);
    expect(await streamed.text).toBe(whole.text);
  });

  test("an image of several megabytes is looked at", async () => {
    const { text } = await generateText({
      model: provider.chat(target.url, visionModel),
      maxRetries: 0,
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "look" },
            // As text: ollama-ai-provider-v2 turns bytes into an object of numbers, which no Ollama takes.
            { type: "image", image: Buffer.alloc(3 << 20, 7).toString("base64"), mediaType: "image/png" },
          ],
        },
      ],
    });
    expect(text).toBe(expectedText("look", 0, tokens));
  });

  test("an answer keeps to a JSON schema", async () => {
    const { output } = await generateText({ ...asking("capital"), output: Output.object({ schema: capital }) });
    expect(output).toEqual({ city: tokenAt("capital", 0, 0), people: 1 });
  });

  test("embeddings are made of one text and of many", async () => {
    const model = provider.embedding(target.url, embeddingModel);
    const { embedding } = await embed({ model, value: "one", maxRetries: 0 });
    expect(embedding).toEqual(embeddingOf("one", 8, true));
    const values = Array.from({ length: 50 }, (_, index) => `text ${index}`);
    const { embeddings } = await embedMany({ model, values, maxRetries: 0 });
    expect(embeddings).toEqual(values.map((text) => embeddingOf(text, 8, true)));
  });

  describe("errors", () => {
    test("an unknown model is an APICallError with 404 and Ollama's words, whole and streamed", async () => {
      const request = asking("hi", "nope");
      const streamed: unknown[] = [];
      await streamText({ ...request, onError: ({ error }) => void streamed.push(error) }).consumeStream();
      for (const error of [await rejectionOf(generateText(request)), ...streamed]) {
        if (!APICallError.isInstance(error)) throw error;
        expect(error.statusCode).toBe(404);
        expect(provider.words(error)).toBe("model 'nope' not found");
      }
      expect(streamed).toHaveLength(1);
      const model = provider.embedding(target.url, "nope");
      const error = await rejectionOf(embed({ model, value: "hi", maxRetries: 0 }));
      if (!APICallError.isInstance(error)) throw error;
      expect(error.statusCode).toBe(404);
      expect(provider.words(error)).toBe('model "nope" not found, try pulling it first');
    });

    test("a failure in the middle of a stream never looks like the end of the answer", async () => {
      const warn = spyOn(console, "warn").mockImplementation(() => {}); // ollama-ai-provider-v2 prints what it drops
      failInTheMiddle(target);
      const answer = streamText({ ...asking(named("fail")), onError: () => {} });
      const parts = await all(answer.fullStream);
      warn.mockRestore();
      expect(expectedText(named("fail"), 0, tokensBeforeFailure)).toBe(
        parts.map((it) => (it.type === "text-delta" ? it.text : "")).join(""),
      );
      expect(parts.flatMap((part) => (part.type === "finish" ? part.finishReason : []))).toEqual([provider.failed]);
      expect(parts.some(({ type }) => type === "error")).toBe(provider.failed === "error");
    });

    test("an invalid request is an APICallError with 400 and Ollama's words, and nothing runs", async () => {
      const before = executions(target).length;
      const request = { ...asking("ponder"), providerOptions: provider.thinking };
      const error = await rejectionOf(generateText(request));
      if (!APICallError.isInstance(error)) throw error;
      expect(error.statusCode).toBe(400);
      expect(provider.words(error)).toBe('"llama3.2" does not support thinking');
      expect(executions(target).length).toBe(before);
    });
  });
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const parts: T[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}
