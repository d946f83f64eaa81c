/** `GET /nodes`, `GET /nodes/{id}`: a node as people and scripts see it. */

import type { NodeRecord } from "../node_record.ts";
import { type LivenessLimits, livenessOf } from "../policy/liveness.ts";
import { statusOf } from "../policy/node_status.ts";

/** The JSON of one node at monotonic `now`. The first block is the user's own format, the rest is added. */
export function describeNode(node: NodeRecord, now: number, limits: LivenessLimits) {
  const liveness = livenessOf(now - node.lastHeardAt, limits);
  const { status, reason } = statusOf({
    ...node,
    liveness,
    reachable: node.routes.some(({ reachable }) => reachable !== false),
  });
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
    intent: node.intent,
    slots: node.slots,
    loaded: node.loadedNames,
    gpu: node.gpu,
    routes: node.routes.map(({ family, address, reachable, rttMs }) => ({
      family,
      address,
      reachable,
      rtt_ms: rttMs === null ? null : Math.round(rttMs * 100) / 100,
    })),
    ollama: { ok: node.ollamaOk, version: node.ollamaVersion },
    agent_version: node.agentVersion,
    capabilities: node.capabilities,
  };
}
