/** `GET /nodes`, `GET /nodes/{id}`: a node as people and scripts see it. */

import type { Context } from "hono";
import type { DigestWatch } from "../fleet/digest_watch.ts";
import { detailsWriter, modelDetails } from "../fleet/model_details.ts";
import { isProven, type NodeRecord } from "../fleet/node_record.ts";
import { shownStatus } from "../fleet/shown_status.ts";
import type { LivenessLimits } from "../policy/liveness.ts";
import type { Registry } from "../registry.ts";
import type { HubEnv } from "./body.ts";

/** Nodes that are told of in one go. */
const AT_ONCE = 200;
/** Milliseconds of writing after which everything else has its turn: ten thousand nodes take half a second. */
const TURN_MS = 4;

/** All nodes, as JSON: those of a large fleet in pieces, between which streams go on. */
export function listNodes(context: Context<HubEnv>, hub: DescribeDeps & { readonly registry: Registry }): Response {
  const { registry } = hub;
  const nodes = Array.from(registry.all());
  if (nodes.length <= AT_ONCE) {
    const now = registry.now();
    return context.json(nodes.map((node) => describeNode(node, now, hub)));
  }
  const encoder = new TextEncoder();
  const write = nodeWriter(hub);
  let told = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve));
      let text = "";
      const began = registry.now();
      for (; told < nodes.length && registry.now() - began < TURN_MS; told++) {
        const node = nodes[told];
        if (node) text += `${told === 0 ? "[" : ","}${write(node, began)}`;
      }
      const isEnd = told === nodes.length;
      controller.enqueue(encoder.encode(isEnd ? `${text}]` : text));
      if (isEnd) controller.close();
    },
  });
  return context.body(body, 200, { "content-type": "application/json" });
}

export interface DescribeDeps {
  readonly liveness: LivenessLimits;
  readonly digests: Pick<DigestWatch, "of">;
  readonly registry: Pick<Registry, "routesOf">;
}

/** The JSON of one node at monotonic `now`. The first block is the user's own format, the rest is added. */
export function describeNode(node: NodeRecord, now: number, deps: DescribeDeps) {
  return { ...firstPart(node, now, deps), model_details: modelDetails(node), ...lastPart(node, now, deps) };
}

/** Writes the same as text, for many nodes: what is told of models is most of it, and alike on most of them. */
export function nodeWriter(deps: DescribeDeps): (node: NodeRecord, now: number) => string {
  const write = detailsWriter();
  return (node, now) => {
    const first = JSON.stringify(firstPart(node, now, deps)).slice(0, -1);
    return `${first},"model_details":${write(node)},${JSON.stringify(lastPart(node, now, deps)).slice(1)}`;
  };
}

/** Up to `model_details`, which stand beside `models`, in the same order. */
function firstPart(node: NodeRecord, now: number, { liveness: limits }: DescribeDeps) {
  const { status, reason, liveness } = shownStatus(node, now, limits);
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
  };
}

/** What stands behind `model_details`. */
function lastPart(node: NodeRecord, now: number, { digests, registry }: DescribeDeps) {
  const [dialledFirst] = registry.routesOf(node);
  return {
    /** Models that other nodes have another version of under the same name. */
    digest_conflicts: digests.of(node.id),
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
    key_id: node.keyId,
    /** When somebody else spoke in its name within a day, and was refused: `{at, detail}`. */
    impostor: impostorOf(node, now),
  };
}

const DAY_MS = 86_400_000;

/** After a day nobody looks for whoever it was. */
function impostorOf({ impostor }: NodeRecord, now: number): { at: string; detail: string } | null {
  return impostor === null || now - impostor.heardAt > DAY_MS ? null : { at: impostor.at, detail: impostor.detail };
}
