/** The request log described: the list, and one request with its whole story. */
import { z } from "zod";
import type { RequestRecord } from "../../request_log.ts";
import { logsQuery } from "../logs_query.ts";
import { detailAnswer } from "./errors.ts";
import { keptDecision } from "./explain.ts";
import { family } from "./fleet.ts";
import type { Chapter } from "./operation.ts";

const attempt = z.object({
  node_id: z.string(),
  ip_version: family.nullable(),
  node_url: z.string().nullable(),
  outcome: z.string().describe("`ok`, or the kind of failure, such as `unreachable` or `busy`."),
  error: z.string().nullable(),
  duration_ms: z.number().describe("From sending until the answer began, or the attempt failed or broke off."),
});

/** `GET /logs` shows one of these a request. */
export const requestRecord = z.object({
  timestamp: z.iso.datetime().describe("When the request came."),
  request_ip: z.string(),
  endpoint: z.string(),
  method: z.string(),
  request_json: z.unknown().describe("What was asked, long texts cut; without prompts under `LOG_PROMPTS=0`."),
  node_id: z.string().nullable().describe("The last node that was tried, and how it was reached."),
  ip_version: family.nullable(),
  node_url: z.string().nullable(),
  status_code: z.int().describe("499 where the client left."),
  success: z.boolean(),
  error: z.string().nullable(),
  duration_ms: z.number(),
  request_id: z.string(),
  model: z.string().nullable(),
  stream: z.boolean(),
  attempts: z.array(attempt).describe("Every node that was tried, in order."),
  queued_ms: z.number().describe("Time spent waiting for a free slot."),
  first_byte_ms: z.number().nullable(),
  bytes: z.int().describe("Bytes sent to the client."),
  prompt_tokens: z.int().nullable(),
  completion_tokens: z.int().nullable(),
  key_id: z.string().nullable().describe("The key it was made with; null while the hub was open."),
  key_name: z.string().nullable(),
}) satisfies z.ZodType<RequestRecord>;

/** The same without what the client asked. */
export const briefRecord = requestRecord.omit({ request_json: true });

const requestRecords = z.array(requestRecord);

/** `GET /logs/{request_id}`. */
const requestStory = requestRecord.extend({
  decisions: z.array(keptDecision).describe("What came of each time it looked for a node; the first eight."),
});

export const REQUESTS: Chapter = {
  schemas: {
    RequestRecords: requestRecords,
    RequestRecord: requestRecord,
    Attempt: attempt,
    RequestStory: requestStory,
  },
  operations: [
    {
      method: "GET",
      path: "/logs",
      id: "listRequests",
      tag: "Fleet",
      summary: "The newest requests, each with its story",
      description: "Newest first; only finished ones. The hub keeps the last 1000 in memory.",
      parameters: [
        {
          in: "query",
          name: "limit",
          description: "How many at most.",
          schema: logsQuery.shape.limit,
          example: 100,
        },
        {
          in: "query",
          name: "request_json",
          description: "`0` leaves out what the clients asked.",
          schema: logsQuery.shape.request_json,
          example: "1",
        },
        {
          in: "query",
          name: "format",
          description: "`ndjson` gives one record a line.",
          schema: logsQuery.shape.format,
          example: "json",
        },
      ],
      answers: {
        200: {
          description: "The requests.",
          content: { "application/json": requestRecords, "application/x-ndjson": requestRecord },
        },
        400: detailAnswer("The query is wrong.", "limit: Too big: expected number to be <=1000"),
      },
    },
    {
      method: "GET",
      path: "/logs/:id",
      id: "getRequest",
      tag: "Fleet",
      summary: "One request with its whole story",
      description: "What the list says, and why each node was chosen that was.",
      parameters: [
        {
          in: "path",
          name: "id",
          description: "The request's id, as in `X-Request-Id`.",
          schema: z.string(),
          example: "3a1c9c5e-6a52-4f04-9d53-0f7f0e6d2b11",
        },
      ],
      answers: {
        200: { description: "The request.", content: { "application/json": requestStory } },
        404: detailAnswer(
          "It is not among the last 1000, or has not ended.",
          "Request not found: the hub keeps the last 1000",
        ),
      },
    },
  ],
};
