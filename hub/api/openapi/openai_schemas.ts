/** Bodies of OpenAI's routes as Ollama has them: documentation, checked by a test. */
import { z } from "zod";
import { openAiError } from "./errors.ts";

const contentPart = z.looseObject({
  type: z.string().describe("`text`, `image_url` or `input_audio`."),
  text: z.string().optional(),
  image_url: z.unknown().optional().describe("Data only (`data:…`): the node fetches nothing."),
});

const functionCall = z.looseObject({
  id: z.string().optional(),
  index: z.int().optional(),
  type: z.string().optional().describe("`function`."),
  function: z.looseObject({ name: z.string(), arguments: z.string().describe("JSON, as a text.") }),
});

const completionMessage = z.looseObject({
  role: z.string().optional().describe("`system`, `user`, `assistant` or `tool`; in a stream only in the first chunk."),
  content: z.union([z.string(), z.array(contentPart), z.null()]).optional(),
  reasoning: z.string().optional().describe("What a thinking model thinks."),
  tool_calls: z.array(functionCall).optional(),
  tool_call_id: z.string().optional(),
});

const usage = z.looseObject({ prompt_tokens: z.int(), completion_tokens: z.int().optional(), total_tokens: z.int() });

const sampling = {
  stream: z.boolean().optional().meta({ description: "Whether the answer comes piece by piece.", default: false }),
  stream_options: z
    .looseObject({ include_usage: z.boolean().optional() })
    .optional()
    .describe("With `include_usage` the stream ends with the token counts."),
  max_tokens: z.int().optional().describe("Tokens at most."),
  temperature: z.number().optional(),
  top_p: z.number().optional(),
  frequency_penalty: z.number().optional(),
  presence_penalty: z.number().optional(),
  seed: z.int().optional(),
  stop: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe("Texts at which the answer ends."),
};

const completionsTool = z.looseObject({
  type: z.string().describe("`function`."),
  function: z.looseObject({
    name: z.string(),
    description: z.string().optional(),
    parameters: z.looseObject({}).optional().describe("A JSON schema."),
  }),
});

export const chatCompletionRequest = z.looseObject({
  model: z.string(),
  messages: z.array(completionMessage).min(1),
  ...sampling,
  response_format: z
    .looseObject({ type: z.string() })
    .optional()
    .describe("`json_object`, or `json_schema` with a schema."),
  tools: z.array(completionsTool).optional(),
  reasoning_effort: z.string().optional().describe("`none`, `low`, `medium`, `high` and so on."),
  logprobs: z.boolean().optional(),
  top_logprobs: z.int().optional(),
});

const finishReason = z.string().nullable().describe("`stop`, `length`, `tool_calls`; null before the end.");

const completion = {
  id: z.string(),
  created: z.int().describe("Seconds since 1970."),
  model: z.string(),
  system_fingerprint: z.string().optional(),
};

export const chatCompletion = z.looseObject({
  ...completion,
  object: z.literal("chat.completion"),
  choices: z.array(z.looseObject({ index: z.int(), message: completionMessage, finish_reason: finishReason })),
  usage: usage.optional(),
});

const chatCompletionChunk = z.looseObject({
  ...completion,
  object: z.literal("chat.completion.chunk"),
  choices: z
    .array(z.looseObject({ index: z.int(), delta: completionMessage, finish_reason: finishReason.optional() }))
    .describe("Empty in the chunk with the token counts."),
  usage: usage.nullish(),
});

/** The data of an event of a stream, `[DONE]` at its end aside. */
export const chatCompletionEvent = z.union([chatCompletionChunk, openAiError]);

export const completionRequest = z.looseObject({
  model: z.string(),
  prompt: z.string(),
  suffix: z.string().optional(),
  ...sampling,
});

export const textCompletion = z.looseObject({
  ...completion,
  object: z.literal("text_completion"),
  choices: z.array(z.looseObject({ index: z.int(), text: z.string(), finish_reason: finishReason })),
  usage: usage.optional(),
});

export const textCompletionEvent = z.union([textCompletion, openAiError]);

export const vectorsRequest = z.looseObject({
  model: z.string(),
  input: z.union([z.string(), z.array(z.string())]).describe("One text, or several."),
  dimensions: z.int().optional(),
  encoding_format: z.enum(["float", "base64"]).optional().meta({ default: "float" }),
});

export const vectors = z.looseObject({
  object: z.literal("list"),
  data: z
    .array(
      z.looseObject({
        object: z.literal("embedding"),
        index: z.int(),
        embedding: z.union([z.array(z.number()), z.string().describe("Base64 of 32-bit floats.")]),
      }),
    )
    .nullable(),
  model: z.string(),
  usage,
});

export const listedModel = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.int().describe("Seconds since 1970."),
  owned_by: z.string().describe("`library` for Ollama's own."),
});

export const modelList = z.object({ object: z.literal("list"), data: z.array(listedModel) });

export const transcriptionRequest = z.looseObject({
  file: z.string().describe("The recording, a file.").meta({ format: "binary" }),
  model: z.string(),
  language: z.string().optional(),
  prompt: z.string().optional(),
  response_format: z.enum(["json", "text"]).optional().meta({ default: "json" }),
});

export const transcription = z.looseObject({ text: z.string() });

export const OPENAI_SCHEMAS = {
  ChatCompletionRequest: chatCompletionRequest,
  ChatCompletion: chatCompletion,
  ChatCompletionChunk: chatCompletionChunk,
  ChatCompletionEvent: chatCompletionEvent,
  CompletionMessage: completionMessage,
  CompletionRequest: completionRequest,
  TextCompletion: textCompletion,
  TextCompletionEvent: textCompletionEvent,
  CompletionsTool: completionsTool,
  ContentPart: contentPart,
  FunctionCall: functionCall,
  Usage: usage,
  VectorsRequest: vectorsRequest,
  Vectors: vectors,
  ListedModel: listedModel,
  ModelList: modelList,
  TranscriptionRequest: transcriptionRequest,
  Transcription: transcription,
};
