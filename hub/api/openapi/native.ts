/** Ollama's own routes that run a model, described. */
import type { z } from "zod";
import { CUT_STREAM, PLACED, SAME_VERSION, SERVED_HEADERS, servedErrors } from "./errors.ts";
import {
  chatAnswer,
  chatLine,
  chatRequest,
  embedAnswer,
  embeddingsAnswer,
  embeddingsRequest,
  embedRequest,
  generateAnswer,
  generateLine,
  generateRequest,
  NATIVE_SCHEMAS,
} from "./native_schemas.ts";
import type { Answer, Chapter } from "./operation.ts";

const MEMORY =
  "A request without a prompt brings the model into memory; with `keep_alive` 0 it takes it out of memory, on " +
  "all nodes that have it there.";

const streamed = (line: z.ZodType, whole: z.ZodType, example: unknown): Answer => ({
  description: "What the model said: lines, or with `stream` false one object.",
  headers: SERVED_HEADERS,
  content: { "application/x-ndjson": line, "application/json": whole },
  example,
});

const whole = (description: string, schema: z.ZodType, example: unknown): Answer => ({
  description,
  headers: SERVED_HEADERS,
  content: { "application/json": schema },
  example,
});

const created_at = "2026-08-21T18:48:22.186220944Z";
const counts = {
  total_duration: 412345678,
  load_duration: 120045678,
  prompt_eval_count: 26,
  prompt_eval_duration: 98000000,
  eval_count: 4,
  eval_duration: 82000000,
};
const stopped = { done: true, done_reason: "stop", ...counts };

const WEATHER_TOOL = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

export const NATIVE: Chapter = {
  schemas: NATIVE_SCHEMAS,
  operations: [
    {
      method: "POST",
      path: "/api/generate",
      id: "generate",
      tag: "Ollama",
      summary: "Continue a prompt",
      description: `${PLACED}\n\n${MEMORY} ${CUT_STREAM.ndjson}`,
      pin: "NodeId",
      request: {
        schema: generateRequest,
        examples: {
          streamed: { summary: "Streamed", value: { model: "llama3.2", prompt: "Why is the sky blue?" } },
          whole: {
            summary: "In one piece, with parameters",
            value: { model: "llama3.2", prompt: "Why is the sky blue?", stream: false, options: { temperature: 0.7 } },
          },
          thinking: {
            summary: "A model that thinks",
            value: { model: "qwen3", prompt: "What is 17 × 23?", think: true },
          },
          load: { summary: "Bring the model into memory", value: { model: "llama3.2" } },
          unknown: { summary: "A model nobody has", value: { model: "nope", prompt: "Hello" }, status: 404 },
          wrong: { summary: "A field of the wrong type", value: { model: "llama3.2", prompt: 7 }, status: 400 },
        },
      },
      answers: {
        200: streamed(generateLine, generateAnswer, {
          model: "llama3.2",
          created_at,
          response: "Hello! Hi",
          ...stopped,
        }),
        ...servedErrors("native"),
      },
    },
    {
      method: "POST",
      path: "/api/chat",
      id: "chat",
      tag: "Ollama",
      summary: "Continue a conversation",
      description: `${PLACED} ${SAME_VERSION}\n\n${MEMORY} ${CUT_STREAM.ndjson}`,
      pin: "NodeId",
      request: {
        schema: chatRequest,
        examples: {
          streamed: {
            summary: "Streamed",
            value: { model: "llama3.2", messages: [{ role: "user", content: "Why is the sky blue?" }] },
          },
          whole: {
            summary: "In one piece",
            value: { model: "llama3.2", messages: [{ role: "user", content: "Why is the sky blue?" }], stream: false },
          },
          tools: {
            summary: "With a tool that the model may call",
            value: {
              model: "qwen3",
              messages: [{ role: "user", content: "use tool get_weather" }],
              tools: [WEATHER_TOOL],
            },
          },
          unload: {
            summary: "Take the model out of memory",
            value: { model: "llama3.2", messages: [], keep_alive: 0 },
          },
          unknown: {
            summary: "A model nobody has",
            value: { model: "nope", messages: [{ role: "user", content: "Hello" }] },
            status: 404,
          },
        },
      },
      answers: {
        200: streamed(chatLine, chatAnswer, {
          model: "llama3.2",
          created_at,
          message: { role: "assistant", content: "Hello! Hi" },
          ...stopped,
        }),
        ...servedErrors("native"),
      },
    },
    {
      method: "POST",
      path: "/api/embed",
      id: "embed",
      tag: "Ollama",
      summary: "Vectors for texts",
      description: PLACED,
      pin: "NodeId",
      request: {
        schema: embedRequest,
        examples: {
          one: { summary: "One text", value: { model: "all-minilm", input: "Why is the sky blue?" } },
          several: { summary: "Several texts", value: { model: "all-minilm", input: ["a", "b"] } },
          unknown: { summary: "A model nobody has", value: { model: "nope", input: "a" }, status: 404 },
        },
      },
      answers: {
        200: whole("The vectors.", embedAnswer, {
          model: "all-minilm",
          embeddings: [
            [0.0102, -0.0531],
            [0.0811, 0.0007],
          ],
          total_duration: 14143917,
          load_duration: 1019500,
          prompt_eval_count: 6,
        }),
        ...servedErrors("native"),
      },
    },
    {
      method: "POST",
      path: "/api/embeddings",
      id: "embeddings",
      tag: "Ollama",
      summary: "A vector for a text, the old form",
      description: `${PLACED} \`/api/embed\` took its place.`,
      pin: "NodeId",
      request: {
        schema: embeddingsRequest,
        examples: {
          one: { summary: "One text", value: { model: "all-minilm", prompt: "Why is the sky blue?" } },
          unknown: { summary: "A model nobody has", value: { model: "nope", prompt: "a" }, status: 404 },
        },
      },
      answers: {
        200: whole("The vector, of any length.", embeddingsAnswer, {
          embedding: [0.5670403838157654, 0.009260174818336964],
        }),
        ...servedErrors("native"),
      },
    },
  ],
};
