/** The fleet's routes described: health, nodes, heartbeats, who waits. */
import { z } from "zod";
import { diskModel, loadedModel } from "../../../shared/ollama_models.ts";
import { gpu, heartbeat, heartbeatAnswer, NODE_INTENTS, ollamaState } from "../../../shared/protocol.ts";
import type { describeNode } from "../nodes.ts";
import type { describeQueue } from "../queue.ts";
import { detailAnswer } from "./errors.ts";
import { HEARTBEAT_NOTES } from "./heartbeat_notes.ts";
import type { Chapter } from "./operation.ts";

const healthAnswer = z.object({ status: z.literal("ok") });

export const family = z.enum(["IPv4", "IPv6"]);

const route = z.object({
  family,
  address: z.string().describe("Address and port as the hub dials them."),
  reachable: z.boolean().nullable().describe("Whether it answered last time; null before the first try."),
  proven: z.boolean().describe("Whether the node has shown with its key that it is there; without a key always true."),
  rtt_ms: z.number().nullable().describe("Round trip, in milliseconds."),
  in_use: z.boolean().describe("True for the one that would be dialled first now."),
});

const modelDetails = z.object({
  name: z.string(),
  size: z.number().nullable().describe("Bytes on disk."),
  digest: z.string().nullable().describe("The first 12 digits, as `ollama list` shows them."),
  parameter_size: z.string().nullable(),
  quantization: z.string().nullable(),
  loaded: z.boolean().describe("Whether it is in memory."),
  size_vram: z.number().nullable().describe("Bytes on graphics processors."),
  expires_at: z.string().nullable().describe("When it leaves the memory."),
});

const digestConflict = z.object({
  model: z.string(),
  digests: z
    .array(
      z.object({
        digest: z.string(),
        nodes: z.array(z.string()).describe("Of many a few, this one among them."),
        node_count: z.int().describe("How many have it."),
      }),
    )
    .describe("The version that most nodes have first."),
});

/** `GET /nodes` shows one of these a node. */
export const nodeAnswer = z.object({
  node_id: z.string(),
  ipv4: z.string().nullable(),
  ipv6: z.string().nullable(),
  port: z.int(),
  models: z.array(z.string()).describe("Names of the models on its disk."),
  metadata: z.record(z.string(), z.unknown()).describe("Whatever the node says about itself."),
  load: z
    .object({ cpu: z.number(), memory: z.number() })
    .nullable()
    .describe("Ratios 0 to 1, as of the last heartbeat."),
  last_seen: z.iso.datetime().describe("The last heartbeat."),
  status: z
    .enum(["online", "offline", "degraded", "draining", "pending"])
    .describe("`online` gets work; `reason` says why the others do not."),
  active_jobs: z.int().describe("Requests of this hub that it works on now."),
  failure_count: z.int().describe("Failures in a row; at `NODE_MAX_FAILURES` it is degraded for a while."),
  reason: z.string().nullable(),
  liveness: z.enum(["fresh", "stale", "expired", "gone"]).describe("How long it has been silent, in a word."),
  trust: z.enum(["admitted", "ejected", "trial"]).describe("What its failures have come to."),
  trust_until_ms: z.int().nullable().describe("Milliseconds until an ejected node may be tried again."),
  intent: z.enum(NODE_INTENTS).describe("What the node itself wants: take work, finish what it has, nothing."),
  slots: z
    .int()
    .describe(
      "Requests it is given at the same time: what it reported, or fewer where its answers waited in its Ollama.",
    ),
  slots_reported: z.int().describe("What the node itself said; 4 where it said nothing."),
  loaded: z.array(z.string()).describe("Models in its memory."),
  model_details: z
    .array(modelDetails)
    .describe("The same models as `models`, in the same order. What an older agent does not tell is null."),
  digest_conflicts: z
    .array(digestConflict)
    .describe("Its models that other nodes have another version of under the same name."),
  gpu: z.array(gpu),
  routes: z.array(route).describe("The addresses the hub may use, in the order of trying."),
  ollama: z.object({ ok: z.boolean().describe("Whether it answered lately."), version: z.string().nullable() }),
  agent_version: z.string().nullable(),
  capabilities: z.array(z.string()).describe("`execute` (jobs) and `ollama` (every route of Ollama)."),
  identity: z
    .enum(["key", "none"])
    .describe(
      "`key`: its heartbeats are signed, and its name is its own. `none`: an older agent, whose name anybody may take.",
    ),
  key_id: z.string().nullable().describe("Which key that is: the start of its hash."),
  impostor: z
    .object({ at: z.string().describe("ISO time."), detail: z.string() })
    .nullable()
    .describe("When somebody else spoke in its name within a day and was refused, or a second agent did with its key."),
}) satisfies z.ZodType<ReturnType<typeof describeNode>>;

const modelQueue = z.object({
  model: z.string().nullable().describe("Null for requests that name no model."),
  waiting: z.int(),
  oldest_wait_ms: z.int().describe("How long the first of them has waited."),
  expected_wait_ms: z
    .int()
    .nullable()
    .describe("How long one more would wait, from what was measured lately; null before anything was."),
});

const bodiesHeld = z.object({
  held: z.int().describe("Bytes of request bodies in memory."),
  limit: z.int().describe("Above it requests are refused, small ones above nine eighths of it."),
});

export const queueAnswer = z.object({
  waiting: z.int().describe("Requests that wait for a free slot."),
  size: z.int().describe("How many may; the next ones get 503."),
  timeout_s: z.number().describe("How long each may, in seconds."),
  models: z.array(modelQueue).describe("Of each model that is waited for."),
  bodies: bodiesHeld,
}) satisfies z.ZodType<ReturnType<typeof describeQueue>>;

const nodes = z.array(nodeAnswer);

/** Of DELETE /nodes/{id}. */
const forgottenAnswer = z.object({ node_id: z.string(), status: z.literal("forgotten"), detail: z.string() });

const EXAMPLE_BEAT = {
  node_id: "attic",
  ipv4: "192.168.1.100",
  port: 8001,
  models: ["qwen2.5:7b"],
  metadata: { hostname: "attic" },
  load: { cpu: 0.25, memory: 0.45 },
};

export const FLEET: Chapter = {
  schemas: {
    Nodes: nodes,
    Node: nodeAnswer,
    DigestConflict: digestConflict,
    Queue: queueAnswer,
    ModelQueue: modelQueue,
    BodiesHeld: bodiesHeld,
    Route: route,
    ModelDetails: modelDetails,
    Heartbeat: heartbeat,
    HeartbeatAnswer: heartbeatAnswer,
    Forgotten: forgottenAnswer,
    Gpu: gpu,
    OllamaState: ollamaState,
    DiskModel: diskModel,
    LoadedModel: loadedModel,
    Health: healthAnswer,
  },
  notes: HEARTBEAT_NOTES,
  operations: [
    {
      method: "GET",
      path: "/healthz",
      id: "health",
      tag: "Fleet",
      summary: "Is the hub running?",
      description: "Answers as long as the hub runs, whatever the nodes do.",
      answers: {
        200: { description: "It is.", content: { "application/json": healthAnswer }, example: { status: "ok" } },
      },
    },
    {
      method: "GET",
      path: "/nodes",
      id: "listNodes",
      tag: "Fleet",
      summary: "All nodes and how they are",
      description: "What the hub knows at this moment. A node that has been silent for 180 seconds is forgotten.",
      answers: { 200: { description: "The nodes.", content: { "application/json": nodes } } },
    },
    {
      method: "GET",
      path: "/nodes/:id",
      id: "getNode",
      tag: "Fleet",
      summary: "One node",
      description: "The same as in the list of all nodes.",
      parameters: [{ in: "path", name: "id", description: "The node's id.", schema: z.string(), example: "gaming-pc" }],
      answers: {
        200: { description: "The node.", content: { "application/json": nodeAnswer } },
        404: detailAnswer("There is no such node.", "Node not found"),
      },
    },
    {
      method: "DELETE",
      path: "/nodes/:id",
      id: "forgetNode",
      tag: "Fleet",
      summary: "Forget a node and its key",
      description:
        "For a machine that was set up anew and has another key: its name is free again. What the node was doing is " +
        "given up. A node that is still there comes back with its next heartbeat. Without API keys only from the hub's " +
        "own machine.",
      parameters: [
        { in: "path", name: "id", description: "The node's id.", schema: z.string(), example: "old-laptop" },
      ],
      answers: {
        200: {
          description: "It is forgotten.",
          content: { "application/json": forgottenAnswer },
          example: {
            node_id: "old-laptop",
            status: "forgotten",
            detail: "a node that still runs comes back with its next heartbeat: stop it first",
          },
        },
        403: detailAnswer(
          "It was asked for from another machine, and the hub has no API keys.",
          "without API keys a node can be forgotten from the hub's own machine only: call it at localhost there, or type " +
            "ollama-hub node forget NAME with the hub's STATE_DIR, in its container where it has one",
        ),
        404: detailAnswer("There is no such node, and no key of one.", "Node not found"),
      },
    },
    {
      method: "POST",
      path: "/nodes/heartbeat",
      id: "sendHeartbeat",
      tag: "Fleet",
      summary: "Join the fleet, and stay in it",
      description:
        "For node agents: the first heartbeat makes a node part of the fleet, the next ones keep it there. The " +
        "address the heartbeat came from stands for the reported one of its family.",
      request: {
        schema: heartbeat,
        examples: {
          plain: { summary: "The least that an agent says", value: EXAMPLE_BEAT },
          wrong: { summary: "Without a port", value: { node_id: "attic", models: [] }, status: 400 },
        },
      },
      answers: {
        200: {
          description: "The node is known.",
          content: { "application/json": heartbeatAnswer },
          example: { node_id: "attic", status: "ok", ipv4: "192.168.1.100", ipv6: null },
        },
        400: detailAnswer("The heartbeat is wrong; `detail` names the field.", "port: is required (number)"),
        401: detailAnswer(
          "The signature is not that of the key it shows.",
          "the heartbeat is not signed by the key it shows",
        ),
        403: detailAnswer(
          "The hub takes no unknown nodes, and the join token is missing or not good.",
          "the join token is used up",
        ),
        409: detailAnswer(
          "The name belongs to another key, the heartbeat was heard before, or the node trusts another hub.",
          "this heartbeat was heard before, or comes after a newer one",
        ),
        413: detailAnswer(
          "The heartbeat is too large: 2 MB, or 64 kB of a node the hub does not know.",
          "A heartbeat is larger than 2 MB",
        ),
        428: detailAnswer(
          "It was signed for an earlier start of the hub: sign it for the one in `X-Hub-Boot-Id`.",
          "sign the heartbeat for this start of the hub",
        ),
      },
    },
    {
      method: "GET",
      path: "/queue",
      id: "showQueue",
      tag: "Fleet",
      summary: "Who waits, and for how long",
      description:
        "Requests that found every slot taken wait, first come first served for each model. How long that will be " +
        "follows from how long requests took lately, and from the slots of the nodes that serve the model.",
      answers: {
        200: {
          description: "The waiting room at this moment.",
          content: { "application/json": queueAnswer },
          example: {
            waiting: 3,
            size: 512,
            timeout_s: 120,
            models: [{ model: "llama3.2:latest", waiting: 3, oldest_wait_ms: 4200, expected_wait_ms: 9100 }],
            bodies: { held: 5120, limit: 1_000_000_000 },
          },
        },
      },
    },
  ],
};
