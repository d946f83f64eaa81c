/** Anthropic's route described. */
import { z } from "zod";
import { CUT_STREAM, PLACED, SAME_VERSION, SERVED_HEADERS, servedErrors } from "./errors.ts";
import type { Chapter } from "./operation.ts";

const contentBlock = z.looseObject({
  type: z.string().describe("`text`, `image`, `thinking`, `tool_use` or `tool_result`."),
  text: z.string().optional(),
  thinking: z.string().optional(),
  id: z.string().optional().describe("Of a call of a tool."),
  name: z.string().optional().describe("Of a call: which tool."),
  input: z.unknown().optional().describe("Of a call: its arguments."),
});

const content = z.union([z.string(), z.array(contentBlock)]);

const messagesRequest = z.looseObject({
  model: z.string(),
  max_tokens: z.int().positive().describe("Tokens at most."),
  messages: z.array(z.looseObject({ role: z.enum(["user", "assistant"]), content })).min(1),
  system: content.optional(),
  stream: z.boolean().optional().meta({ description: "Whether the answer comes piece by piece.", default: false }),
  temperature: z.number().optional(),
  top_p: z.number().optional(),
  top_k: z.int().optional(),
  stop_sequences: z.array(z.string()).optional().describe("Texts at which the answer ends."),
  tools: z
    .array(
      z.looseObject({
        name: z.string(),
        description: z.string().optional(),
        input_schema: z.looseObject({}).optional().describe("A JSON schema."),
      }),
    )
    .optional(),
  thinking: z.looseObject({ type: z.string().describe("`enabled` or `disabled`.") }).optional(),
});

const usage = z.looseObject({ input_tokens: z.int().optional(), output_tokens: z.int().optional() });

const message = {
  id: z.string(),
  type: z.literal("message"),
  role: z.literal("assistant"),
  model: z.string(),
  content: z.array(contentBlock),
  stop_reason: z.string().nullish().describe("`end_turn`, `max_tokens`, `tool_use` or `stop_sequence`."),
  usage,
};
const messagesAnswer = z.looseObject(message);

const messagesEvent = z.looseObject({
  type: z
    .enum([
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
      "ping",
      "error",
    ])
    .describe("Also the event's name; `message_stop` is the last."),
  message: messagesAnswer.optional(),
  index: z.int().optional().describe("Which block of the answer."),
  content_block: contentBlock.optional(),
  delta: z.looseObject({ text: z.string().optional(), stop_reason: z.string().nullish() }).optional(),
  usage: usage.optional(),
  error: z.looseObject({ type: z.string(), message: z.string() }).optional(),
});

const question = [{ role: "user", content: "Why is the sky blue?" }];

export const ANTHROPIC: Chapter = {
  schemas: {
    MessagesRequest: messagesRequest,
    MessagesAnswer: messagesAnswer,
    MessagesEvent: messagesEvent,
    ContentBlock: contentBlock,
  },
  operations: [
    {
      method: "POST",
      path: "/v1/messages",
      id: "createMessage",
      tag: "Anthropic",
      summary: "Continue a conversation",
      description:
        `${PLACED} ${SAME_VERSION} Headers of ` +
        `Anthropic's, such as \`x-api-key\`, are not looked at.\n\n${CUT_STREAM.events}`,
      pin: "NodeId",
      request: {
        schema: messagesRequest,
        examples: {
          whole: { summary: "In one piece", value: { model: "llama3.2", max_tokens: 256, messages: question } },
          streamed: {
            summary: "Streamed",
            value: { model: "llama3.2", max_tokens: 256, messages: question, stream: true },
          },
          thinking: {
            summary: "A model that thinks",
            value: {
              model: "qwen3",
              max_tokens: 256,
              messages: question,
              thinking: { type: "enabled", budget_tokens: 1024 },
              stream: true,
            },
          },
          unknown: {
            summary: "A model nobody has",
            value: { model: "nope", max_tokens: 256, messages: question },
            status: 404,
          },
          wrong: { summary: "Without `max_tokens`", value: { model: "llama3.2", messages: question }, status: 400 },
        },
      },
      answers: {
        200: {
          description: "What the model said: one object, or with `stream` true events.",
          headers: SERVED_HEADERS,
          content: { "application/json": messagesAnswer, "text/event-stream": messagesEvent },
          example: {
            id: "msg_0123456789abcdef01234567",
            type: "message",
            role: "assistant",
            model: "llama3.2",
            content: [{ type: "text", text: "Hello! Hi" }],
            stop_reason: "end_turn",
            usage: { input_tokens: 26, output_tokens: 4 },
          },
        },
        ...servedErrors("anthropic"),
      },
    },
  ],
};
