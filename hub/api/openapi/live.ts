/** What the dashboard lives on described: the stream of events, and the last hour in numbers. */
import { z } from "zod";
import { type describeRunning, TOPICS } from "../../observe/live.ts";
import type { Point } from "../../observe/stat_series.ts";
import type { HourJson, Sample } from "../../observe/stats.ts";
import { access } from "./access.ts";
import { detailAnswer } from "./errors.ts";
import { family, nodeAnswer, queueAnswer } from "./fleet.ts";
import type { Chapter } from "./operation.ts";
import { briefRecord } from "./requests.ts";

const point = z.object({
  requests: z.int().describe("Requests that ended; of a node, attempts there."),
  errors: z.int().describe("Those of them that failed; not those whose client left."),
  tokens: z.int().describe("Completion tokens: counted while they stream, corrected by the real number at the end."),
  first_token_p50_ms: z.number().nullable().describe("Of streamed answers; null where none began."),
  first_token_p95_ms: z.number().nullable(),
  active: z.int().describe("The most at the same time."),
  waiting: z.int().nullable().describe("The same, of requests that wait for a slot; null for a node."),
}) satisfies z.ZodType<Point>;

const sample = z.object({
  at: z.iso.datetime().describe("The end of the step."),
  fleet: point,
  nodes: z.record(z.string(), point).describe("Only nodes with anything in it."),
}) satisfies z.ZodType<Sample>;

const counts = z.array(z.int());
const times = z.array(z.number().nullable());

const series = z
  .object({
    requests: counts,
    errors: counts,
    tokens: counts,
    first_token_p50_ms: times,
    first_token_p95_ms: times,
    active: counts,
    waiting: z.array(z.int().nullable()),
  })
  .describe("The fields of `StatPoint`, each with its values, the oldest first.");

const hourAnswer = z.object({
  step_s: z.number().describe("Length of a step, in seconds."),
  until: z.iso.datetime().describe("The end of the newest step."),
  points: z.int().describe("Whole steps there are, 360 at most."),
  series,
}) satisfies z.ZodType<HourJson>;

const running = z.object({
  request_id: z.string(),
  timestamp: z.iso.datetime(),
  request_ip: z.string(),
  endpoint: z.string(),
  model: z.string().nullable(),
  stream: z.boolean(),
  node_id: z.string().nullable().describe("Where it is now; null while it waits."),
  ip_version: family.nullable(),
  elapsed_ms: z.int(),
  first_byte_ms: z.number().nullable(),
  queue_position: z.int().nullable().describe("Its place when it began to wait."),
  waiting: z.boolean().describe("Whether it waits for a slot now."),
  bytes: z.int(),
  pieces: z.int().describe("Pieces of the answer; of a stream about as many as tokens."),
}) satisfies z.ZodType<ReturnType<typeof describeRunning>>;

const happening = z.object({
  at: z.iso.datetime(),
  event: z.enum([
    "joined",
    "restarted",
    "ejected",
    "admitted",
    "offline",
    "removed",
    "lost",
    "intent",
    "slots",
    "impostor",
  ]),
  node_id: z.string(),
  detail: z.string(),
});

const hello = z.object({
  boot_id: z.string(),
  version: z.string(),
  started_at: z.iso.datetime(),
  ttl_s: z.number().describe("Seconds of silence after which a node gets no more work."),
  stale_s: z.number().describe("Seconds of silence after which other nodes go before it."),
  step_s: z.number(),
  access,
});
const allNodes = z.object({ nodes: z.array(nodeAnswer) });
const changedNodes = z.object({ changed: z.array(nodeAnswer), removed: z.array(z.string()) });
const allRunning = z.object({ total: z.int(), requests: z.array(running) });
const finished = z.object({
  finished: z.array(briefRecord),
  missed: z.int().describe("How many more ended and are left out here."),
});
const happenings = z.object({ happenings: z.array(happening) });

const eventData = z.union([hello, allNodes, changedNodes, queueAnswer, allRunning, finished, sample, happenings]);

export const LIVE: Chapter = {
  schemas: {
    LiveEvent: eventData,
    LiveHello: hello,
    LiveFleet: allNodes,
    LiveNodes: changedNodes,
    LiveRunning: allRunning,
    RunningRequest: running,
    LiveRequests: finished,
    BriefRecord: briefRecord,
    LiveHappenings: happenings,
    Happening: happening,
    StatSample: sample,
    StatPoint: point,
    StatSeries: series,
    Stats: hourAnswer,
  },
  operations: [
    {
      method: "GET",
      path: "/events",
      id: "listen",
      tag: "Fleet",
      summary: "What happens, as it happens",
      description:
        "Server-sent events until the client leaves or the hub stops. First `hello`, then the state of every topic that " +
        "was asked for, then what changes: `fleet` (all nodes, once) and `nodes` (those that changed, or are gone), " +
        "`queue`, `running`, `requests` (those that ended), `stats` (every ten seconds) and `happenings`. A client that " +
        "leaves more than 4 MB waiting is cut off and may come again.",
      parameters: [
        {
          in: "query",
          name: "topics",
          description: "Which, with commas between them; all where nothing is said.",
          schema: z.string(),
          example: TOPICS.join(","),
        },
      ],
      endless: true,
      answers: {
        200: { description: "Events; this is the data of one.", content: { "text/event-stream": eventData } },
        400: detailAnswer("There is no such topic.", 'topics.0: Invalid option: expected one of "fleet"|"queue"'),
        503: {
          ...detailAnswer(
            "The hub is stopping, or too many listen already.",
            "The hub is stopping, or 256 listen to its events already",
          ),
          headers: ["Retry-After"],
        },
      },
    },
    {
      method: "GET",
      path: "/stats",
      id: "showStats",
      tag: "Fleet",
      summary: "The last hour in numbers",
      description: "In steps of ten seconds, of the whole fleet or of one node. Kept in memory since the hub started.",
      parameters: [
        {
          in: "query",
          name: "node_id",
          description: "Which node; the whole fleet where nothing is said.",
          schema: z.string(),
          example: "gaming-pc",
        },
      ],
      answers: {
        200: {
          description: "The hour until now.",
          content: { "application/json": hourAnswer },
          example: {
            step_s: 10,
            until: "2026-01-01T12:00:10.000Z",
            points: 2,
            series: {
              requests: [4, 0],
              errors: [0, 0],
              tokens: [812, 96],
              first_token_p50_ms: [184.2, null],
              first_token_p95_ms: [920.5, null],
              active: [3, 1],
              waiting: [0, 0],
            },
          },
        },
        404: detailAnswer("There is no such node.", "Node not found"),
      },
    },
  ],
};
