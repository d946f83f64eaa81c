/** OpenAI's routes described, without `/v1/responses`. */
import { z } from "zod";
import { CUT_STREAM, openAiError, PLACED, SAME_VERSION, SERVED_HEADERS, servedErrors } from "./errors.ts";
import {
  chatCompletion,
  chatCompletionEvent,
  chatCompletionRequest,
  completionRequest,
  listedModel,
  modelList,
  OPENAI_SCHEMAS,
  textCompletion,
  textCompletionEvent,
  transcription,
  transcriptionRequest,
  vectors,
  vectorsRequest,
} from "./openai_schemas.ts";
import type { Answer, Chapter } from "./operation.ts";

const question = [{ role: "user", content: "Why is the sky blue?" }];
const usage = { prompt_tokens: 26, completion_tokens: 4, total_tokens: 30 };
const common = { created: 1787338102, model: "llama3.2", system_fingerprint: "fp_ollama" };

const completed = (event: z.ZodType, whole: z.ZodType, example: unknown): Answer => ({
  description: "What the model said: one object, or with `stream` true events, the last of which is `[DONE]`.",
  headers: SERVED_HEADERS,
  content: { "application/json": whole, "text/event-stream": event },
  example,
});

export const OPENAI: Chapter = {
  schemas: OPENAI_SCHEMAS,
  operations: [
    {
      method: "POST",
      path: "/v1/chat/completions",
      id: "createChatCompletion",
      tag: "OpenAI",
      summary: "Continue a conversation",
      description: `${PLACED} ${SAME_VERSION}\n\n${CUT_STREAM.openai}`,
      pin: "NodeId",
      request: {
        schema: chatCompletionRequest,
        examples: {
          whole: { summary: "In one piece", value: { model: "llama3.2", messages: question } },
          streamed: {
            summary: "Streamed, with the token counts at the end",
            value: { model: "llama3.2", messages: question, stream: true, stream_options: { include_usage: true } },
          },
          tools: {
            summary: "With a tool that the model may call",
            value: {
              model: "qwen3",
              messages: [{ role: "user", content: "use tool get_weather" }],
              tools: [
                {
                  type: "function",
                  function: {
                    name: "get_weather",
                    description: "The weather in a city",
                    parameters: { type: "object", properties: { city: { type: "string" } } },
                  },
                },
              ],
            },
          },
          unknown: { summary: "A model nobody has", value: { model: "nope", messages: question }, status: 404 },
          empty: { summary: "Without messages", value: { model: "llama3.2", messages: [] }, status: 400 },
        },
      },
      answers: {
        200: completed(chatCompletionEvent, chatCompletion, {
          id: "chatcmpl-417",
          object: "chat.completion",
          ...common,
          choices: [{ index: 0, message: { role: "assistant", content: "Hello! Hi" }, finish_reason: "stop" }],
          usage,
        }),
        ...servedErrors("openai"),
      },
    },
    {
      method: "POST",
      path: "/v1/completions",
      id: "createCompletion",
      tag: "OpenAI",
      summary: "Continue a text",
      description: `${PLACED}\n\n${CUT_STREAM.openai}`,
      pin: "NodeId",
      request: {
        schema: completionRequest,
        examples: {
          whole: { summary: "In one piece", value: { model: "llama3.2", prompt: "The sky is", max_tokens: 20 } },
          streamed: { summary: "Streamed", value: { model: "llama3.2", prompt: "The sky is", stream: true } },
          unknown: { summary: "A model nobody has", value: { model: "nope", prompt: "The sky is" }, status: 404 },
        },
      },
      answers: {
        200: completed(textCompletionEvent, textCompletion, {
          id: "cmpl-417",
          object: "text_completion",
          ...common,
          choices: [{ index: 0, text: " blue.", finish_reason: "stop" }],
          usage,
        }),
        ...servedErrors("openai"),
      },
    },
    {
      method: "POST",
      path: "/v1/embeddings",
      id: "createEmbeddings",
      tag: "OpenAI",
      summary: "Vectors for texts",
      description: PLACED,
      pin: "NodeId",
      request: {
        schema: vectorsRequest,
        examples: {
          several: { summary: "Several texts", value: { model: "all-minilm", input: ["a", "b"] } },
          base64: { summary: "As base64", value: { model: "all-minilm", input: "a", encoding_format: "base64" } },
          unknown: { summary: "A model nobody has", value: { model: "nope", input: "a" }, status: 404 },
        },
      },
      answers: {
        200: {
          description: "The vectors, in the order of the texts.",
          headers: SERVED_HEADERS,
          content: { "application/json": vectors },
          example: {
            object: "list",
            data: [{ object: "embedding", embedding: [0.0102, -0.0531], index: 0 }],
            model: "all-minilm",
            usage: { prompt_tokens: 3, total_tokens: 3 },
          },
        },
        ...servedErrors("openai"),
      },
    },
    {
      method: "POST",
      path: "/v1/audio/transcriptions",
      id: "createTranscription",
      tag: "OpenAI",
      summary: "The words in a recording",
      description: `${PLACED} A recording is at most 25 MiB.`,
      pin: "NodeId",
      request: {
        type: "multipart/form-data",
        schema: transcriptionRequest,
        examples: {
          json: { summary: "As JSON", value: { file: "speech.wav", model: "llama3.2" } },
          text: {
            summary: "As plain text",
            value: { file: "speech.wav", model: "llama3.2", response_format: "text" },
          },
        },
      },
      answers: {
        200: {
          description: "The words.",
          headers: SERVED_HEADERS,
          content: { "application/json": transcription, "text/plain": null },
          example: { text: "Hello!" },
        },
        ...servedErrors("openai"),
      },
    },
    {
      method: "GET",
      path: "/v1/models",
      id: "listOpenAiModels",
      tag: "OpenAI",
      summary: "Models on disk",
      description: "Every model that a node of the fleet has, once, newest first.",
      answers: {
        200: {
          description: "The models.",
          content: { "application/json": modelList },
          example: {
            object: "list",
            data: [{ id: "llama3.2:latest", object: "model", created: 1787242443, owned_by: "library" }],
          },
        },
      },
    },
    {
      method: "GET",
      path: "/v1/models/:model",
      id: "getOpenAiModel",
      tag: "OpenAI",
      summary: "One model",
      description:
        "Answered by the hub, from what its nodes have. A name with a slash in it cannot be asked for, as in Ollama.",
      parameters: [
        { in: "path", name: "model", description: "The model's name.", schema: z.string(), example: "llama3.2" },
      ],
      answers: {
        200: {
          description: "The model, under the name as it was asked for.",
          content: { "application/json": listedModel },
          example: { id: "llama3.2", object: "model", created: 1787242443, owned_by: "library" },
        },
        404: {
          description: "No node has it.",
          content: { "application/json": openAiError },
          example: { error: { message: "model 'nope' not found", type: "not_found_error", param: null, code: null } },
        },
      },
    },
  ],
};
