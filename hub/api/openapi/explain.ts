/** `POST /explain` described, and what the log keeps of the same. */
import { z } from "zod";
import { LB_POLICIES } from "../../policy/criteria.ts";
import type { Explanation } from "../../policy/explain.ts";
import { REASONS } from "../../policy/explain_words.ts";
import { EXPLAINED_PATHS } from "../explain.ts";
import { detailAnswer } from "./errors.ts";
import type { Chapter } from "./operation.ts";

const explainRequest = z
  .looseObject({ model: z.string().optional() })
  .describe("A request as the route takes it; only what decides where it goes has to be there.");

const CRITERION = z.enum([
  "heartbeat",
  "first token",
  "busy",
  "in memory",
  "cpu",
  "failures",
  "longest ago",
  "jobs",
  "joined",
]);

const criterion = z.object({ name: CRITERION, meaning: z.string().describe("Who goes first.") });

const nodeValues = z.object({
  heartbeat: z.enum(["fresh", "stale", "expired", "gone"]).describe("How long it has been silent, in a word."),
  active_jobs: z.int(),
  slots: z.int().describe("Slots it may use now: fewer than it has for half a minute after it came back."),
  in_memory: z.boolean(),
  loading: z.boolean().describe("Whether it is bringing the model into memory."),
  first_token_ms: z
    .int()
    .nullable()
    .describe("In what time its first token is expected, loads weighed; null while none of the model was measured."),
  cpu: z.number().describe("Ratio 0 to 1, as of the last heartbeat."),
  failures: z.int().describe("In a row."),
});

const explainedRoute = z.object({
  family: z.enum(["IPv4", "IPv6"]),
  address: z.string(),
  reachable: z.boolean().nullable().describe("Whether it answered last time; null before the first try."),
  rtt_ms: z.number().nullable().describe("Round trip, in milliseconds."),
});

const explainedNode = z.object({
  node_id: z.string(),
  rank: z.int().nullable().describe("Its place among those that compete for the request; null for the others."),
  eligible: z.boolean().describe("Whether it may serve the request now."),
  reason: z.enum(REASONS).nullable().describe("Why not."),
  why: z.string().nullable().describe("Why it does not compete, in words for people."),
  passes_soon: z.boolean().describe("Whether the reason goes away as work finishes, so that a request waits for it."),
  values: nodeValues,
  decided_by: CRITERION.nullable().describe("By what it comes after the node ranked before it."),
  held_back: z.string().nullable().describe("Why it does not compete although it may serve the request."),
  routes: z.array(explainedRoute).describe("The addresses, in the order in which they would be dialled."),
});

const fields = {
  model: z.string().nullable(),
  endpoint: z.string(),
  at: z.iso.datetime(),
  outcome: z.enum(["node", "wait", "none"]),
  node_id: z.string().nullable().describe("Who gets it."),
  summary: z.string().describe("All of it in a sentence or two, for people."),
  policy: z.enum(LB_POLICIES).describe("As LB_POLICY has it."),
  order: z.array(criterion).describe("By what nodes are compared; the first difference decides."),
  nodes: z.array(explainedNode).describe("The ranked ones first."),
  not_shown: z
    .int()
    .optional()
    .describe(
      "Nodes that are not listed: of more than 64 the log has the 16 best, and of more than 512 with the model some are looked at.",
    ),
};

/** The answer of `POST /explain`. */
export const explanation = z.object(fields) satisfies z.ZodType<Explanation>;

/** One of `decisions` in `GET /logs/{request_id}`. */
export const keptDecision = z.object({
  at_ms: z.number().describe("Since the request began, in milliseconds."),
  ...fields,
}) satisfies z.ZodType<Explanation & { at_ms: number }>;

const question = { model: "llama3", messages: [{ role: "user", content: "Why is the sky blue?" }] };

export const EXPLAIN: Chapter = {
  schemas: {
    ExplainRequest: explainRequest,
    Explanation: explanation,
    KeptDecision: keptDecision,
    Criterion: criterion,
    ExplainedNode: explainedNode,
    ExplainedRoute: explainedRoute,
    NodeValues: nodeValues,
  },
  operations: [
    {
      method: "POST",
      path: "/explain",
      id: "explainRequest",
      tag: "Fleet",
      summary: "Where would this request go, and why?",
      description:
        "Judges a request as the route `path` would at this moment, and tells of every node how it stands. Nothing is " +
        "sent to any node, and the request is not logged.",
      parameters: [
        {
          in: "query",
          name: "path",
          description: "The route it would be sent to; `/jobs` where nothing is said.",
          schema: z.enum(EXPLAINED_PATHS),
          example: "/api/chat",
        },
        {
          in: "header",
          name: "X-Node-Id",
          description: "The one node that may serve it.",
          schema: z.string(),
          example: "gaming-pc",
        },
      ],
      request: {
        schema: explainRequest,
        examples: {
          model: { summary: "Any request for a model", value: { model: "llama3" } },
          chat: { summary: "A request as it would be sent", value: question },
          unknown: { summary: "A model nobody has", value: { model: "nope" } },
          cloud: { summary: "A model at a cloud service", value: { model: "gpt-oss:120b-cloud" } },
          wrong: { summary: "No request at all", value: "llama3", status: 400 },
        },
      },
      answers: {
        200: {
          description: "What would become of it.",
          content: { "application/json": explanation },
          example: {
            model: "llama3",
            endpoint: "/api/chat",
            at: "2026-08-21T18:48:22.186Z",
            outcome: "node",
            node_id: "gaming-pc",
            summary: "gaming-pc gets it: no other node can serve it now. attic is offline.",
            policy: "first-token",
            order: [{ name: "busy", meaning: "Fewest requests at work for each slot" }],
            nodes: [
              {
                node_id: "gaming-pc",
                rank: 1,
                eligible: true,
                reason: null,
                why: null,
                passes_soon: false,
                values: {
                  heartbeat: "fresh",
                  active_jobs: 1,
                  slots: 4,
                  in_memory: true,
                  loading: false,
                  first_token_ms: 420,
                  cpu: 0.12,
                  failures: 0,
                },
                decided_by: null,
                held_back: null,
                routes: [{ family: "IPv4", address: "192.168.1.20", reachable: true, rtt_ms: 0.8 }],
              },
            ],
          },
        },
        400: detailAnswer(
          "The body cannot be read, or `path` is none of these routes.",
          `path: must be one of ${EXPLAINED_PATHS.join(", ")}`,
        ),
        413: detailAnswer("The body is larger than `MAX_BODY_MB`.", "The body is larger than 128 MB (MAX_BODY_MB)"),
        503: detailAnswer(
          "The hub holds too much of other requests.",
          "The hub cannot take it now: it holds 500 MB of other requests already (MAX_BUFFERED_MB)",
        ),
      },
    },
  ],
};
