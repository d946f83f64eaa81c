/** Bodies of Ollama's own routes that run a model. A test checks them. */
import { z } from "zod";
import { nativeError } from "./errors.ts";

const nanoseconds = z.int().optional().describe("Nanoseconds.");
const count = z.int().optional();

export const modelOptions = z
  .looseObject({
    temperature: z.number().optional().describe("How much chance there is in the answer; 0 is none."),
    top_k: z.int().optional(),
    top_p: z.number().optional(),
    min_p: z.number().optional(),
    seed: z.int().optional().describe("The same seed and prompt give the same answer."),
    num_predict: z.int().optional().describe("Tokens at most; -1 is no limit."),
    num_ctx: z
      .int()
      .optional()
      .describe("Size of the context in tokens. Another one than before loads the model anew."),
    repeat_penalty: z.number().optional(),
    stop: z.array(z.string()).optional().describe("Texts at which the answer ends."),
  })
  .describe("Parameters of the model; Ollama ignores those it does not know.");

const keepAlive = z
  .union([z.number(), z.string()])
  .describe(
    "How long the model stays in memory afterwards: seconds, or a duration such as `5m`; below 0 for ever. 0 without " +
      "a prompt takes it out of memory, on every node that has it there.",
  );

const think = z
  .union([z.boolean(), z.enum(["low", "medium", "high", "max"])])
  .describe("Whether a thinking model thinks first; true unless it says otherwise.");

const outputFormat = z
  .union([z.literal("json"), z.looseObject({}), z.literal(""), z.null()])
  .describe("`json`, or a JSON schema that the answer has to fit.");

const image = z.string().describe("Base64, without `data:` in front.");

/** Fields that generate and chat have in common. */
const running = {
  stream: z.boolean().optional().meta({ description: "Whether the answer comes piece by piece.", default: true }),
  format: outputFormat.optional(),
  options: modelOptions.optional(),
  keep_alive: keepAlive.optional(),
  think: think.optional(),
  truncate: z.boolean().optional().meta({ description: "Shorten a prompt that does not fit.", default: true }),
  shift: z.boolean().optional().meta({ description: "Forget the beginning when the context is full.", default: true }),
  logprobs: z.boolean().optional(),
  top_logprobs: z.int().min(0).max(20).optional(),
};

/** What an answer's last object tells about the work. */
const timings = {
  done: z.boolean().describe("True on the last object of the answer."),
  done_reason: z.string().optional().describe("`stop`, `length`, `load` or `unload`."),
  total_duration: nanoseconds,
  load_duration: nanoseconds,
  prompt_eval_count: count.describe("Tokens of the prompt."),
  prompt_eval_duration: nanoseconds,
  eval_count: count.describe("Tokens of the answer."),
  eval_duration: nanoseconds,
};

const answering = {
  model: z.string().describe("As the request wrote it."),
  created_at: z.iso.datetime({ offset: true }),
};

export const generateRequest = z.looseObject({
  model: z.string(),
  prompt: z.string().optional().describe("Without one, the model is only brought into memory."),
  suffix: z.string().optional().describe("Text after the place to fill in."),
  system: z.string().optional(),
  template: z.string().optional(),
  context: z.array(z.int()).optional().describe("From an earlier answer of the same model."),
  raw: z.boolean().optional().describe("Send the prompt as it is, without the model's template."),
  images: z.array(image).optional(),
  ...running,
});

export const generateAnswer = z.looseObject({
  ...answering,
  response: z.string().describe("What the model says, or the next piece of it."),
  thinking: z.string().optional(),
  context: z.array(z.int()).optional().describe("On the last object, for the next request."),
  ...timings,
});

/** A line of a streamed answer. */
export const generateLine = z.union([generateAnswer, nativeError]);

const toolCall = z.looseObject({
  id: z.string().optional(),
  function: z.looseObject({
    index: z.int().optional(),
    name: z.string(),
    arguments: z.record(z.string(), z.unknown()).describe("An object, not a text."),
  }),
});

const chatMessage = z.looseObject({
  role: z.string().describe("`system`, `user`, `assistant` or `tool`."),
  content: z.string().optional(),
  thinking: z.string().optional(),
  images: z.array(image).optional(),
  tool_calls: z.array(toolCall).optional(),
  tool_name: z.string().optional().describe("Of a tool's answer: which tool."),
  tool_call_id: z.string().optional(),
});

const tool = z.looseObject({
  type: z.string().describe("`function`."),
  function: z.looseObject({
    name: z.string(),
    description: z.string().optional(),
    parameters: z.looseObject({}).optional().describe("A JSON schema."),
  }),
});

export const chatRequest = z.looseObject({
  model: z.string(),
  messages: z.array(chatMessage).optional().describe("Without any, the model is only brought into memory."),
  tools: z.array(tool).optional(),
  ...running,
});

export const chatAnswer = z.looseObject({ ...answering, message: chatMessage, ...timings });

/** A line of a streamed answer. */
export const chatLine = z.union([chatAnswer, nativeError]);

export const embedRequest = z.looseObject({
  model: z.string(),
  input: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe("One text, or several."),
  truncate: z.boolean().optional().meta({ description: "Shorten a text that does not fit.", default: true }),
  dimensions: z.int().optional(),
  keep_alive: keepAlive.optional(),
  options: modelOptions.optional(),
});

export const embedAnswer = z.looseObject({
  model: z.string(),
  embeddings: z.array(z.array(z.number())).describe("One vector of length 1 a text, in their order."),
  total_duration: nanoseconds,
  load_duration: nanoseconds,
  prompt_eval_count: count,
});

export const embeddingsRequest = z.looseObject({
  model: z.string(),
  prompt: z.string().optional(),
  keep_alive: keepAlive.optional(),
  options: modelOptions.optional(),
});

export const embeddingsAnswer = z.looseObject({ embedding: z.array(z.number()) });

export const NATIVE_SCHEMAS = {
  GenerateRequest: generateRequest,
  GenerateAnswer: generateAnswer,
  GenerateLine: generateLine,
  ChatRequest: chatRequest,
  ChatAnswer: chatAnswer,
  ChatLine: chatLine,
  ChatMessage: chatMessage,
  ToolCall: toolCall,
  Tool: tool,
  EmbedRequest: embedRequest,
  EmbedAnswer: embedAnswer,
  EmbeddingsRequest: embeddingsRequest,
  EmbeddingsAnswer: embeddingsAnswer,
  ModelOptions: modelOptions,
  KeepAlive: keepAlive,
  Think: think,
  OutputFormat: outputFormat,
};
