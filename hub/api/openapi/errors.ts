/** The shapes of errors, by family of routes, and the answers every route of a family may give instead of its own. */
import { z } from "zod";
import type { Answer, Answers, HeaderName } from "./operation.ts";

/** Of every request that a node may serve. */
export const SERVED_HEADERS: readonly HeaderName[] = ["X-Request-Id", "X-Node-Id", "X-Attempts", "X-Queue-Position"];
/** Of those that no node answered. */
export const REFUSED_HEADERS: readonly HeaderName[] = ["X-Request-Id", "X-Attempts", "X-Queue-Position"];

const detailError = z.object({ detail: z.string().describe("What is wrong, in a sentence.") });

export const jobError = z.object({
  detail: z.union([
    z.string().describe("What is wrong, in a sentence."),
    z
      .object({
        message: z.string(),
        errors: z.array(
          z.object({
            node_id: z.string(),
            message: z.string(),
            status: z.int().describe("The node's status, or the one that says best what happened: 502, 503, 504."),
          }),
        ),
        job_id: z.string().describe("The request's id, as in `X-Request-Id`."),
      })
      .describe("Every node that was tried, when all failed."),
  ]),
});

export const nativeError = z.object({
  error: z.string().describe("What is wrong; Ollama's own words where it has some."),
});

export const openAiError = z.object({
  error: z.object({
    message: z.string(),
    type: z.string().describe("`invalid_request_error` (400), `not_found_error` (404), else `api_error`."),
    param: z.null(),
    code: z.null(),
  }),
});

const anthropicError = z.object({
  type: z.literal("error"),
  error: z.object({
    type: z.string().describe("`invalid_request_error`, `not_found_error`, `overloaded_error` (503) and so on."),
    message: z.string(),
  }),
  request_id: z.string().optional().describe("`req_` and the id of `X-Request-Id` where the hub itself refuses."),
});

export const ERROR_SCHEMAS = {
  DetailError: detailError,
  JobError: jobError,
  OllamaError: nativeError,
  OpenAIError: openAiError,
  AnthropicError: anthropicError,
};

interface Wording {
  readonly schema: z.ZodType;
  /** An error body with this message. */
  example(status: number, message: string): unknown;
}

export const FAMILIES = {
  native: { schema: nativeError, example: (_, message) => ({ error: message }) },
  openai: {
    schema: openAiError,
    example: (status, message) => ({
      error: {
        message,
        type: status === 400 ? "invalid_request_error" : status === 404 ? "not_found_error" : "api_error",
        param: null,
        code: null,
      },
    }),
  },
  anthropic: {
    schema: anthropicError,
    example: (status, message) => ({
      type: "error",
      error: { type: status === 404 ? "not_found_error" : status === 503 ? "overloaded_error" : "api_error", message },
      request_id: "req_3a1c9c5e-6a52-4f04-9d53-0f7f0e6d2b11",
    }),
  },
} satisfies Record<string, Wording>;

export type Family = keyof typeof FAMILIES;

const BUSY = "server busy, please try again.  maximum pending requests exceeded";

/** What may come instead of an answer on a route of `family` that one node serves. */
export function servedErrors(family: Family): Answers {
  const { schema, example }: Wording = FAMILIES[family];
  const error = (description: string, status?: number, message = "", headers = REFUSED_HEADERS): Answer => ({
    description,
    headers,
    content: { "application/json": schema },
    ...(status === undefined ? {} : { example: example(status, message) }),
  });
  return {
    400: error(
      "The request is wrong: Ollama's own refusal, unchanged, tried on no other node.",
      undefined,
      "",
      SERVED_HEADERS,
    ),
    403: error(
      "The model runs at a cloud service and `ALLOW_CLOUD` is off. Empty where the page's `Origin` is not allowed.",
      403,
      "ollama cloud is disabled: remote model is unavailable",
    ),
    404: error(
      "No node has the model, or `X-Node-Id` names a node that is not there or has not got it.",
      404,
      "model 'nope' not found",
    ),
    413: error("The body is larger than `MAX_BODY_MB`."),
    503: error(
      "No node can serve it now: all are busy and the queue is full or took too long (`Retry-After` says when to try " +
        "again), the hub holds too much already (the same), those that have the model are down, or every node that was " +
        "tried failed.",
      503,
      BUSY,
      [...REFUSED_HEADERS, "Retry-After"],
    ),
    504: error("The nodes that were tried did not answer in time."),
    default: error("Any other refusal of Ollama's passes as it is.", undefined, "", SERVED_HEADERS),
  };
}

/** An answer in the words of the hub's own routes. */
export function detailAnswer(description: string, detail: string): Answer {
  return { description, content: { "application/json": detailError }, example: { detail } };
}

/** What streams of each kind do when their node fails in the middle. */
export const CUT_STREAM = {
  ndjson: 'A stream whose node fails ends with a line `{"error": …}` and no line with `done` true.',
  openai: "A stream whose node fails ends with an event that carries an error object, and no `[DONE]`.",
  events: "A stream whose node fails ends with an event `error`.",
};

/** How a request finds its node. */
export const PLACED =
  "Served by one node: the least busy healthy one that has the model, or the one that `X-Node-Id` names. When it " +
  "fails before its first byte, another node gets the request, three at most.";

/** Which of several versions of a model a conversation is with. */
export const SAME_VERSION =
  "Where nodes have different versions of the model, the same version answers all turns of a conversation.";
