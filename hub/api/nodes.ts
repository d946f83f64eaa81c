/** `POST /nodes/heartbeat`, `GET /nodes`, `GET /nodes/{id}`: how a node joins, and how people and scripts see it. */

import type { Context } from "hono";
import { describeIssues } from "../../shared/errors.ts";
import { keyId } from "../../shared/identity.ts";
import { parseJsonBytes } from "../../shared/json.ts";
import { heartbeat } from "../../shared/protocol.ts";
import type { Comeback } from "../comeback.ts";
import type { DigestWatch } from "../digest_watch.ts";
import { modelDetails } from "../model_details.ts";
import type { NodeKeys } from "../node_keys.ts";
import { isProven, type NodeRecord } from "../node_record.ts";
import { type LivenessLimits, livenessOf } from "../policy/liveness.ts";
import { statusOf } from "../policy/node_status.ts";
import type { Registry } from "../registry.ts";
import { isTooDeep } from "../skim_json.ts";
import { type HubEnv, readBody } from "./body.ts";
import { DEEPEST_BODY, NESTED_TOO_DEEPLY } from "./request_fields.ts";

/** Bytes: ten thousand model names fit. */
const LARGEST_HEARTBEAT = 16_000_000;

const NO_SOURCE = "whoever sent this heartbeat has hung up: from where it came is not known";

export interface HeartbeatDeps {
  readonly registry: Registry;
  readonly comeback: Pick<Comeback, "heard">;
  readonly nodeKeys: Pick<NodeKeys, "judge" | "introduce">;
}

/** Takes in a node's heartbeat. */
export async function receiveHeartbeat(
  context: Context<HubEnv>,
  { registry, comeback, nodeKeys }: HeartbeatDeps,
): Promise<Response> {
  const source = context.get("source") ?? null;
  // Its addresses are judged by where it came from; a node is still there.
  if (source === null) return context.json({ detail: NO_SOURCE }, 400);
  const body = await readBody(context, LARGEST_HEARTBEAT);
  if (body.kind === "too large") return context.json({ detail: "A heartbeat is larger than 16 MB" }, 413);
  const bytes = body.kind === "whole" ? body.bytes : new Uint8Array();
  const json = parseJsonBytes(bytes);
  if (json === undefined) return context.json({ detail: "The body is not valid JSON" }, 400);
  const beat = heartbeat.safeParse(json);
  if (!beat.success) return context.json({ detail: describeIssues(beat.error) }, 400);
  // What is kept of it is written into every answer about nodes.
  if (isTooDeep(bytes, DEEPEST_BODY)) return context.json({ detail: NESTED_TOO_DEEPLY }, 400);
  const judgement = nodeKeys.judge(beat.data, bytes, context.req.raw.headers);
  if (judgement.kind === "refused") return context.json({ detail: judgement.detail }, judgement.status);
  const node = registry.heartbeat(beat.data, source);
  if (node !== null) comeback.heard(beat.data);
  const { node_id, boot_id } = beat.data;
  if (node === null && boot_id != null && registry.isReplaced(node_id, boot_id)) {
    const detail = `another agent has taken the name ${node_id}: give each machine a NODE_ID of its own`;
    return context.json({ detail }, 409);
  }
  const { ipv4, ipv6 } = node ?? {};
  return context.json({ node_id, status: "ok", ipv4, ipv6, ...nodeKeys.introduce(beat.data) });
}

export interface DescribeDeps {
  readonly liveness: LivenessLimits;
  readonly digests: Pick<DigestWatch, "conflicts">;
  readonly registry: Pick<Registry, "routesOf">;
}

/** The JSON of one node at monotonic `now`. The first block is the user's own format, the rest is added. */
export function describeNode(node: NodeRecord, now: number, { liveness: limits, digests, registry }: DescribeDeps) {
  const liveness = livenessOf(now - node.lastHeardAt, limits);
  const { status, reason } = statusOf({
    ...node,
    liveness,
    reachable: node.routes.some(({ reachable }) => reachable !== false),
  });
  const [dialledFirst] = registry.routesOf(node);
  return {
    node_id: node.id,
    ipv4: node.ipv4,
    ipv6: node.ipv6,
    port: node.port,
    models: node.modelNames,
    metadata: node.metadata,
    load: node.load,
    last_seen: node.lastSeen.toISOString(),
    status,
    active_jobs: node.reserved,
    failure_count: node.trust.failures,

    reason,
    liveness,
    trust: node.trust.kind,
    trust_until_ms: node.trust.kind === "ejected" ? Math.max(0, Math.round(node.trust.until - now)) : null,
    intent: node.intent,
    slots: node.slots,
    slots_reported: node.learned.reported,
    loaded: node.loadedNames,
    /** Beside `models`, in the same order. */
    model_details: modelDetails(node),
    /** Models that other nodes have another version of under the same name. */
    digest_conflicts: digests.conflicts.filter(({ digests }) => digests.some(({ nodes }) => nodes.includes(node.id))),
    gpu: node.gpu,
    routes: node.routes.map((route) => ({
      family: route.family,
      address: route.address,
      reachable: route.reachable,
      /** Whether the node has shown with its key that it is there; one without a key cannot. */
      proven: isProven(node, route.origin),
      rtt_ms: route.rttMs === null ? null : Math.round(route.rttMs * 100) / 100,
      in_use: route === dialledFirst,
    })),
    ollama: { ok: node.ollamaOk, version: node.ollamaVersion },
    agent_version: node.agentVersion,
    capabilities: node.capabilities,
    /** "key": its heartbeats are signed; "none": an older agent, whose name anybody may take. */
    identity: node.publicKey === null ? "none" : "key",
    key_id: node.publicKey === null ? null : keyId(node.publicKey),
  };
}
