/** `POST /jobs` described. */
import { z } from "zod";
import { jobRequest } from "../jobs.ts";
import { CUT_STREAM, jobError, nativeError, PLACED, SERVED_HEADERS } from "./errors.ts";
import { generateAnswer, generateLine } from "./native_schemas.ts";
import type { Answer, Chapter } from "./operation.ts";

const { model, prompt, options, stream } = jobRequest.shape;

const refusal = (
  description: string,
  detail: unknown,
  headers: Answer["headers"] = ["X-Request-Id", "X-Attempts"],
) => ({
  description,
  headers,
  content: { "application/json": jobError },
  example: { detail },
});

/** The hub says why in `detail`; what Ollama refuses comes in Ollama's own shape. */
const ownOrOllamas = z.union([jobError, nativeError]);

const ALL_FAILED = {
  message: "All candidate nodes failed to execute the job",
  errors: [{ node_id: "gaming-pc", message: "connection refused", status: 502 }],
  job_id: "123e4567-e89b-12d3-a456-426614174000",
};

export const JOBS: Chapter = {
  schemas: { JobRequest: jobRequest, JobRefusal: ownOrOllamas },
  notes: new Map<z.ZodType, string>([
    [jobRequest, "Further fields of Ollama's `/api/generate`, such as `system` or `format`, go to it as they are."],
    [model, "Name of the model, such as `llama3` or `qwen2.5:7b`."],
    [prompt, "What the model is asked."],
    [
      options,
      "Ollama's parameters: `temperature`, `top_p`, `top_k`, `num_predict`, `repeat_penalty`, `seed` and so on.",
    ],
    [stream, "Whether the answer comes piece by piece. True unless it says false."],
  ]),
  operations: [
    {
      method: "POST",
      path: "/jobs",
      id: "submitJob",
      tag: "Jobs",
      summary: "Have a prompt answered",
      description: `${PLACED}\n\nThe answer is that of Ollama's \`/api/generate\`. ${CUT_STREAM.ndjson}`,
      pin: "NodeId",
      request: {
        schema: jobRequest,
        examples: {
          whole: {
            summary: "The answer in one piece",
            value: {
              model: "llama3",
              prompt: "Why is the sky blue?",
              options: { temperature: 0.7, top_p: 0.9, num_predict: 100 },
              stream: false,
            },
          },
          streamed: { summary: "Streamed, one line a piece", value: { model: "llama3", prompt: "Tell me a story" } },
          unknown: { summary: "A model nobody has", value: { model: "nope", prompt: "Hello" }, status: 503 },
          wrong: { summary: "Without a prompt", value: { model: "llama3" }, status: 400 },
          unable: {
            summary: "A model that cannot do it",
            value: { model: "all-minilm", prompt: "Hello", stream: false },
            status: 400,
          },
          format: {
            summary: "A format that is none",
            value: { model: "llama3", prompt: "Hello", format: 7, stream: false },
            status: 500,
          },
        },
      },
      answers: {
        200: {
          description: "What the model said: lines, or with `stream` false one object.",
          headers: SERVED_HEADERS,
          content: { "application/x-ndjson": generateLine, "application/json": generateAnswer },
          example: {
            model: "llama3",
            created_at: "2026-08-21T18:48:22.186220944Z",
            response: "The sky appears blue because of Rayleigh scattering.",
            done: true,
            done_reason: "stop",
            context: [128006, 9125, 128007],
            total_duration: 412345678,
            load_duration: 120045678,
            prompt_eval_count: 26,
            prompt_eval_duration: 98000000,
            eval_count: 11,
            eval_duration: 82000000,
          },
        },
        400: {
          description: "The request is wrong: `detail` names the field, or `error` is Ollama's own refusal.",
          headers: SERVED_HEADERS,
          content: { "application/json": ownOrOllamas },
          example: { detail: "prompt: is required (string)" },
        },
        403: refusal(
          "The model runs at a cloud service and `ALLOW_CLOUD` is off. Empty where the page's `Origin` is not allowed.",
          "ollama cloud is disabled: remote model is unavailable",
        ),
        404: refusal(
          "`X-Node-Id` names a node that is not there or has not got the model.",
          "X-Node-Id names attic, and there is no such node",
        ),
        413: refusal("The body is larger than `MAX_BODY_MB`.", "The body is larger than 128 MB (MAX_BODY_MB)"),
        503: refusal(
          "Nobody can serve it: no node has the model, those that have it are down or busy for too long, or every " +
            "node that was tried failed.",
          ALL_FAILED,
          ["X-Request-Id", "X-Attempts", "Retry-After"],
        ),
        504: refusal("The nodes that were tried did not answer in time; `detail` as in 503.", ALL_FAILED),
        default: {
          description: "Any other refusal of Ollama's passes as it is.",
          headers: SERVED_HEADERS,
          content: { "application/json": nativeError },
        },
      },
    },
  ],
};
