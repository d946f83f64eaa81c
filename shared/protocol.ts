/** The wire between hub and node: schemas with their types, paths, header names. Older agents' bodies are valid too. */
import { z } from "zod";
import { parseAddress } from "./address.ts";
import { PUBLIC_KEY } from "./identity.ts";
import { diskModel, loadedModel, MOST_MODELS, modelName } from "./ollama_models.ts";

/** Paths of one that the other calls. */
export const PATHS = {
  /** hub */ healthz: "/healthz",
  /** hub */ heartbeat: "/nodes/heartbeat",
  /** node */ health: "/health",
  /** node */ execute: "/execute",
  /** node: what follows is a path of its Ollama */ ollama: "/ollama",
} as const;

/** Names of headers, in lower case as fetch has them. */
export const HEADERS = {
  requestId: "x-request-id",
  /** Hub to node: which node is meant; an agent of another name declines. On answers: which one it was. On heartbeats: whose. */
  nodeId: "x-node-id",
  attempts: "x-attempts",
  /** On the answer to a request that had to wait: its place in the queue for its model when it came; 1 is next. */
  queuePosition: "x-queue-position",
  /** On every answer of the hub: changes when the hub restarts, so that a node knows it has to register again. */
  hubBootId: "x-hub-boot-id",
  /** On a node's 503 or 421: why it did not even try, one of DECLINE_REASONS. Ollama's own 503 does not carry it. */
  declined: "x-declined",
  /** On a node's error that is the agent's own: Ollama did not say it. */
  agentError: "x-agent-error",
  /** Hub to node: the model an inference request is for, URI-encoded, so that the node need not read the body. */
  model: "x-model",
  /** Hub to node: "1" on a request to an inference route that runs nothing, such as unloading: it waits for no slot. */
  noSlot: "x-no-slot",
  /** Hub to node: makes the request one of the hub's, see signed_text.ts. */
  ticket: "x-ticket",
  /** Node to hub: the signature of a heartbeat, and the X-Hub-Boot-Id it is for. */
  signature: "x-signature",
  challenge: "x-challenge",
  /** Node to hub: that the node has a join token. */
  joinToken: "x-join-token",
} as const;

/** Why a node hands a request back without having sent it to Ollama; "wrong_node": it is not the one that is meant; "ticket": it cannot tell yet whether the hub sent it. */
export const DECLINE_REASONS = ["busy", "draining", "ollama_down", "wrong_node", "ticket"] as const;
export type DeclineReason = (typeof DECLINE_REASONS)[number];

/** What a node can be asked for besides its health. An agent that says nothing can do the first only. */
export const CAPABILITIES = ["execute", "ollama"] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** What a node intends: take work, finish what it has, or nothing any more. */
export const NODE_INTENTS = ["serving", "draining", "left"] as const;
export type NodeIntent = (typeof NODE_INTENTS)[number];

/** Status of a request whose client left; nginx's number. It stands in logs, nobody receives it. */
export const CLIENT_CLOSED_REQUEST = 499;

/** Slots of an agent that does not say how many it has. */
export const DEFAULT_SLOTS = 4;

const publicKey = z.string().regex(PUBLIC_KEY, "expected an Ed25519 key: 32 bytes in base64url");

const nodeId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "expected 1 to 128 letters, digits, '.', '_' or '-', such as gaming-pc");

const addressOf = (family: "IPv4" | "IPv6") =>
  z
    .string()
    .nullish()
    .transform((text, context) => {
      if (text === undefined || text === null || text === "") return null;
      const address = parseAddress(text);
      if (address?.family === family) return address.text;
      context.addIssue({ code: "custom", message: `expected an ${family} address, received ${JSON.stringify(text)}` });
      return z.NEVER;
    });

/** Characters of a node's metadata; every one of them is in every answer of GET /nodes. */
const LARGEST_METADATA = 16_000;

/** Levels of it. To find out by writing it that it cannot be written takes seconds, in which nothing else moves. */
const DEEPEST_METADATA = 64;

function isShallow(value: unknown): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST_METADATA) return false;
    level = level.flatMap((each) => (typeof each === "object" && each !== null ? Object.values(each) : []));
  }
  return true;
}

function isSmallJson(value: unknown): boolean {
  if (!isShallow(value)) return false;
  try {
    return JSON.stringify(value).length <= LARGEST_METADATA;
  } catch {
    // Nested so deep that it cannot be written.
    return false;
  }
}

/** A ratio that strays outside 0 to 1 is a rounding of the agent's, not a reason to lose the node. */
const ratio = z.number().transform((value) => Math.min(1, Math.max(0, value)));

/** What a node says of its Ollama. */
export const ollamaState = z.object({
  /** Whether the local Ollama answered lately. */
  ok: z.boolean(),
  version: z.string().max(64).nullish(),
});

/** One graphics processor. */
export const gpu = z.object({
  name: z.string().max(128),
  /** Ratio 0 to 1. */
  utilization: ratio.nullish(),
  /** Bytes. */
  memory_used: z.number().nonnegative().nullish(),
  /** Bytes. */
  memory_total: z.number().nonnegative().nullish(),
});
export type Gpu = z.infer<typeof gpu>;

/** What a boot id may look like where it is part of a signed text: a line break would make one text of two. */
export const SIGNED_BOOT_ID = /^[A-Za-z0-9_-]{1,64}$/;

const heartbeatFields = z.object({
  node_id: nodeId,
  ipv4: addressOf("IPv4"),
  ipv6: addressOf("IPv6"),
  port: z.number().int().min(1).max(65535),
  models: z.array(modelName).max(MOST_MODELS),
  metadata: z.record(z.string(), z.unknown()).default({}).refine(isSmallJson, "expected at most 16 kB of JSON"),
  load: z.object({ cpu: ratio, memory: ratio }).nullish(),
  // What follows came with this version; an older agent sends none of it.
  slots: z.number().int().min(1).max(1024).nullish(),
  loaded: z.array(modelName).max(MOST_MODELS).nullish(),
  /** The entries of Ollama's own lists, of models on disk and in memory. */
  tags: z.array(diskModel).max(MOST_MODELS).nullish(),
  ps: z.array(loadedModel).max(MOST_MODELS).nullish(),
  boot_id: z.string().max(64).nullish(),
  /** Rises by one with every heartbeat of a boot, so that one that was overtaken on its way is noticed. */
  seq: z.number().int().nonnegative().nullish(),
  /** X-Hub-Boot-Id of the hub that accepted this node last, so that a restarted hub knows who has come back. */
  hub_boot_id: z.string().max(64).nullish(),
  ollama: ollamaState.nullish(),
  agent_version: z.string().max(64).nullish(),
  capabilities: z.array(z.string().max(64)).max(64).nullish(),
  gpu: z.array(gpu).max(64).nullish(),
  intent: z.enum(NODE_INTENTS).nullish(),
  /** The node's own key, which signs its heartbeats; an older agent has none. */
  public_key: publicKey.nullish(),
  /** False when the key ends with the process: its folder cannot be written. */
  key_kept: z.boolean().nullish(),
  /** The certificate (PEM) it listens with, where it speaks https. Counts only where the heartbeat is signed. */
  tls_cert: z.string().max(16_000).nullish(),
  /** The hub's key, as this node knows it from before. */
  hub_key: publicKey.nullish(),
});
/** An agent without a key signs nothing, and its boot id may be anything. */
export const heartbeat = heartbeatFields.refine(
  ({ public_key, boot_id, hub_boot_id }) =>
    public_key == null || [boot_id, hub_boot_id].every((id) => id == null || SIGNED_BOOT_ID.test(id)),
  "expected boot_id and hub_boot_id of 1 to 64 letters, digits, '_' or '-' beside public_key",
);
export type Heartbeat = z.output<typeof heartbeat>;
export type HeartbeatBody = z.input<typeof heartbeat>;

/** The answer to `POST /nodes/heartbeat`. */
export const heartbeatAnswer = z.object({
  node_id: z.string(),
  status: z.string(),
  /** The addresses the hub will use, so that the agent's log can say what it is known as. */
  ipv4: z.string().nullish(),
  ipv6: z.string().nullish(),
  /** Who answers, signed: `answerText`. An older hub, and a heartbeat without a key, have none. */
  hub: z
    .object({
      public_key: publicKey,
      boot_id: z.string().regex(SIGNED_BOOT_ID),
      /** Monotonic milliseconds of this start of the hub. */
      time_ms: z.number().int(),
      /** Keys it had before, each with its word for the next one. */
      rotations: z
        .array(z.object({ from: publicKey, to: publicKey, signature: z.string().max(128) }))
        .max(64)
        .nullish(),
      signature: z.string().max(128),
    })
    .nullish(),
});
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;

/** `POST /execute`: Ollama's /api/generate request with a job id. Fields not named here are passed on as they are. */
export const executeRequest = z.looseObject({
  job_id: z.string().max(128).nullish(),
  model: modelName,
  prompt: z.string().nullish(),
  options: z.record(z.string(), z.unknown()).nullish(),
  stream: z.boolean().nullish(),
});

/** `GET /health` of a node. An older agent sends the first two fields only. */
export const nodeHealth = z.object({
  status: z.string(),
  node_id: z.string(),
  boot_id: z.string().max(64).nullish(),
  agent_version: z.string().max(64).nullish(),
  intent: z.enum(NODE_INTENTS).nullish(),
  ollama: ollamaState.nullish(),
  /** Requests at Ollama now. */
  running: z.number().int().nonnegative().nullish(),
  slots: z.number().int().min(1).nullish(),
  /** Models Ollama is bringing into memory for a request that waits. */
  loading: z.array(modelName).nullish(),
  /** The answer to `?challenge=…&hub=…&at=…`: `proofText`, signed by the node. */
  proof: z.string().max(128).nullish(),
});
export type NodeHealth = z.infer<typeof nodeHealth>;
