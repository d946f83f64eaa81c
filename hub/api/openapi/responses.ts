/** OpenAI's `/v1/responses` described. */
import { z } from "zod";
import { CUT_STREAM, PLACED, SAME_VERSION, SERVED_HEADERS, servedErrors } from "./errors.ts";
import type { Chapter } from "./operation.ts";

const responsesRequest = z.looseObject({
  model: z.string(),
  input: z
    .union([z.string(), z.array(z.looseObject({}))])
    .describe("A text, or what was said so far: messages, calls of tools and their answers."),
  instructions: z.string().optional().describe("Stands before everything, as a system message."),
  stream: z.boolean().optional().meta({ description: "Whether the answer comes piece by piece.", default: false }),
  max_output_tokens: z.int().optional(),
  temperature: z.number().optional(),
  top_p: z.number().optional(),
  reasoning: z.looseObject({ effort: z.string().optional() }).optional(),
  text: z.looseObject({ format: z.looseObject({ type: z.string() }).optional() }).optional(),
  tools: z.array(z.looseObject({ type: z.string() })).optional(),
});

const outputItem = z.looseObject({
  id: z.string().optional(),
  type: z.string().describe("`message`, `reasoning` or `function_call`."),
  role: z.string().optional(),
  content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })).optional(),
  name: z.string().optional().describe("Of a call: which tool."),
  arguments: z.string().optional().describe("Of a call: JSON, as a text."),
});

const responsesAnswer = z.looseObject({
  id: z.string(),
  object: z.literal("response"),
  created_at: z.number().describe("Seconds since 1970."),
  status: z.string().describe("`completed`, `incomplete`, `failed` or `in_progress`."),
  model: z.string(),
  output: z.array(outputItem),
  usage: z.looseObject({ input_tokens: z.int(), output_tokens: z.int(), total_tokens: z.int() }).nullish(),
});

const responsesEvent = z.looseObject({
  type: z
    .string()
    .describe(
      "`response.created`, `response.output_text.delta` and so on; `response.completed` is the last. Or `error`.",
    ),
  sequence_number: z.int(),
  response: responsesAnswer.optional(),
  item: outputItem.optional(),
  delta: z.string().optional().describe("The next piece of a text, of thoughts or of a call's arguments."),
  output_index: z.int().optional(),
});

export const RESPONSES: Chapter = {
  schemas: {
    ResponsesRequest: responsesRequest,
    ResponsesAnswer: responsesAnswer,
    ResponsesEvent: responsesEvent,
    ResponsesItem: outputItem,
  },
  operations: [
    {
      method: "POST",
      path: "/v1/responses",
      id: "createResponse",
      tag: "OpenAI",
      summary: "Continue a conversation, OpenAI's newer form",
      description:
        `${PLACED} ${SAME_VERSION} Nothing is kept: there is no \`previous_response_id\` and no \`conversation\`.\n\n` +
        CUT_STREAM.events,
      pin: "NodeId",
      request: {
        schema: responsesRequest,
        examples: {
          whole: { summary: "In one piece", value: { model: "llama3.2", input: "Why is the sky blue?" } },
          streamed: { summary: "Streamed", value: { model: "llama3.2", input: "Why is the sky blue?", stream: true } },
          conversation: {
            summary: "A conversation, to a model that thinks",
            value: {
              model: "qwen3",
              instructions: "Answer in one sentence.",
              input: [{ role: "user", content: "Why is the sky blue?" }],
              stream: true,
            },
          },
          unknown: { summary: "A model nobody has", value: { model: "nope", input: "Hello" }, status: 404 },
        },
      },
      answers: {
        200: {
          description: "What the model said: one object, or with `stream` true events. There is no `[DONE]`.",
          headers: SERVED_HEADERS,
          content: { "application/json": responsesAnswer, "text/event-stream": responsesEvent },
          example: {
            id: "resp_417",
            object: "response",
            created_at: 1787338102,
            status: "completed",
            model: "llama3.2",
            output: [
              {
                id: "msg_417",
                type: "message",
                role: "assistant",
                content: [{ type: "output_text", text: "Hello! Hi", annotations: [] }],
              },
            ],
            usage: { input_tokens: 26, output_tokens: 4, total_tokens: 30 },
          },
        },
        ...servedErrors("openai"),
      },
    },
  ],
};
