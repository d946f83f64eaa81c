/** `POST /nodes/heartbeat`: how a node joins and stays. */
import type { Context } from "hono";
import type { Address } from "../../shared/address.ts";
import { describeIssues } from "../../shared/errors.ts";
import { parseJsonBytes } from "../../shared/json.ts";
import { heartbeat } from "../../shared/protocol.ts";
import { type BodyBudget, SMALL_BODY } from "../body_budget.ts";
import type { Comeback } from "../fleet/comeback.ts";
import type { Registry } from "../registry.ts";
import { isTooDeep } from "../skim_json.ts";
import type { Newcomers } from "../trust/newcomers.ts";
import type { NodeKeys } from "../trust/node_keys.ts";
import type { createRefusedBeats } from "../trust/refused_beats.ts";
import { type HubEnv, readBody, releaser } from "./body.ts";
import { DEEPEST_BODY, NESTED_TOO_DEEPLY } from "./request_fields.ts";

/** Bytes: three thousand models with all that Ollama says of them. To read and check that takes some ten milliseconds. */
const LARGEST_HEARTBEAT = 2_000_000;
/** Bytes of long heartbeats that are read at a time; a budget of their own, so that nodes and callers never wait for each other. */
export const LONG_HEARTBEATS = 32_000_000;

const TWINS = "two agents run by this name: give each machine a NODE_ID and a STATE_DIR of its own";
const NO_SOURCE = "whoever sent this heartbeat has hung up: from where it came is not known";

export interface HeartbeatDeps {
  readonly registry: Registry;
  readonly comeback: Pick<Comeback, "heard">;
  readonly nodeKeys: Pick<NodeKeys, "judge" | "introduce" | "mayBeLong" | "alarm">;
  readonly newcomers: Newcomers;
  readonly refusedBeats: ReturnType<typeof createRefusedBeats>;
  readonly heartbeatBudget: BodyBudget;
}

/** Takes in a node's heartbeat. */
export async function receiveHeartbeat(context: Context<HubEnv>, hub: HeartbeatDeps): Promise<Response> {
  const source = context.get("source") ?? null;
  // Its addresses are judged by where it came from; a node is still there.
  if (source === null) return context.json({ detail: NO_SOURCE }, 400);
  const { headers } = context.req.raw;
  const isLong =
    !(Number(headers.get("content-length") ?? Number.NaN) <= SMALL_BODY) && hub.nodeKeys.mayBeLong(headers);
  const limit = isLong ? LARGEST_HEARTBEAT : SMALL_BODY;
  const body = await readBody(context, limit, isLong ? hub.heartbeatBudget : undefined);
  if (body.kind === "too large") return context.json({ detail: tooLarge(isLong) }, 413);
  if (body.kind === "no room") {
    const detail = "the hub cannot take so long a heartbeat at the moment: it is reading others";
    return context.json({ detail }, 503, { "retry-after": "5" });
  }
  try {
    return takeIn(context, body.kind === "whole" ? body.bytes : new Uint8Array(), source, hub);
  } finally {
    releaser(context)();
  }
}

function tooLarge(isLong: boolean): string {
  if (isLong) return "A heartbeat is larger than 2 MB";
  return "A heartbeat is larger than 64 kB, and its sender is no node this hub knows: only a node with a key may say more";
}

function takeIn(
  context: Context<HubEnv>,
  bytes: Uint8Array,
  source: Address,
  { registry, comeback, nodeKeys, newcomers, refusedBeats }: HeartbeatDeps,
): Response {
  const json = parseJsonBytes(bytes);
  if (json === undefined) return context.json({ detail: "The body is not valid JSON" }, 400);
  const beat = heartbeat.safeParse(json);
  if (!beat.success) return context.json({ detail: describeIssues(beat.error) }, 400);
  // What is kept of it is written into every answer about nodes.
  if (isTooDeep(bytes, DEEPEST_BODY)) return context.json({ detail: NESTED_TOO_DEEPLY }, 400);
  const { node_id, boot_id } = beat.data;
  const whyFull = () => (registry.get(node_id) === undefined ? newcomers.whyNot(source) : null);
  const judgement = nodeKeys.judge(beat.data, bytes, context.req.raw.headers, whyFull);
  if (judgement.kind === "refused") {
    const { status, detail, told } = judgement;
    // 428 is how every heartbeat after a restart of the hub begins.
    if (!told && status !== 428) refusedBeats.note(node_id, source.text, status, detail);
    return context.json({ detail }, status);
  }
  const node = registry.heartbeat(beat.data, source);
  if (node !== null) comeback.heard(beat.data);
  if (node === null && boot_id != null && registry.isReplaced(node_id, boot_id)) {
    // One that is being replaced may still say that it goes.
    if (beat.data.intent !== "left" && beat.data.intent !== "draining") nodeKeys.alarm(node_id, TWINS);
    const detail = `another agent has taken the name ${node_id}: give each machine a NODE_ID of its own`;
    return context.json({ detail }, 409);
  }
  const { ipv4, ipv6 } = node ?? {};
  return context.json({ node_id, status: "ok", ipv4, ipv6, ...nodeKeys.introduce(beat.data) });
}
