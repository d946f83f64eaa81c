/** What models the nodes have, asked of them now: heartbeats tell the same, a few seconds later. */
import type { z } from "zod";
import { type FleetFetch, readText } from "../../shared/fleet_fetch.ts";
import { parseJson } from "../../shared/json.ts";
import { psAnswer, tagsAnswer } from "../../shared/ollama_models.ts";
import { HEADERS, PATHS } from "../../shared/protocol.ts";
import { withTicket } from "../deliver.ts";
import { type LivenessLimits, livenessOf } from "../policy/liveness.ts";
import type { Registry } from "../registry.ts";
import type { Tickets } from "../trust/tickets.ts";
import type { NodeRecord } from "./node_record.ts";

export interface FleetListsDeps {
  readonly registry: Registry;
  readonly fetch: FleetFetch;
  readonly liveness: LivenessLimits;
  readonly tickets?: Tickets;
}

/** Milliseconds a node has to tell; after that what it told last holds. */
const PATIENCE_MS = 2_000;
/** Bytes of a list: ten thousand models fit. */
const LARGEST_LIST = 16_000_000;

export type FleetLists = ReturnType<typeof createFleetLists>;

/** The lists of every node in `registry`. */
export function createFleetLists({ registry, fetch, liveness, tickets }: FleetListsDeps) {
  let underWay: Promise<void> | null = null;
  /** The asking after the one under way, where somebody wants it. */
  let next: PromiseWithResolvers<void> | null = null;
  let endedAt = Number.NEGATIVE_INFINITY;

  /** Nodes whose models can be used through the hub, at least in a while. */
  function present(): NodeRecord[] {
    const now = registry.now();
    return Array.from(registry.all()).filter((node) => {
      const age = livenessOf(now - node.lastHeardAt, liveness);
      const silent = age === "expired" || age === "gone" || node.intent === "left";
      return !silent && node.ollamaOk && node.capabilities.includes("ollama");
    });
  }

  async function ask<T>(node: NodeRecord, path: string, schema: z.ZodType<T>): Promise<T | null> {
    const signal = AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), node.lost]);
    const ticket = tickets?.for(node, { id: "", method: "GET", path: PATHS.ollama + path, body: null }) ?? null;
    for (const { origin, cert = null } of registry.routesOf(node)) {
      try {
        const headers = withTicket({ headers: { [HEADERS.nodeId]: node.id }, ticket });
        const response = await fetch(origin + PATHS.ollama + path, { headers, signal, cert });
        // An address may have gone to another machine since, whose models are not this node's.
        const isOther = (response.headers.get(HEADERS.nodeId) ?? node.id) !== node.id;
        if (response.status === 200 && !isOther) return schema.parse(parseJson(await readText(response, LARGEST_LIST)));
        await response.body?.cancel();
      } catch {
        if (signal.aborted) return null;
      }
    }
    return null;
  }

  async function read(node: NodeRecord): Promise<void> {
    const [tags, ps] = await Promise.all([ask(node, "/api/tags", tagsAnswer), ask(node, "/api/ps", psAnswer)]);
    if (tags) registry.listed(node.id, tags, ps);
  }

  function askAll(): Promise<void> {
    underWay = Promise.all(present().map(read)).then(() => {
      underWay = null;
      endedAt = registry.now();
      const waiting = next;
      next = null;
      if (waiting !== null) void askAll().then(waiting.resolve);
    });
    return underWay;
  }

  /** Asks every node; resolves when all have told, after this call, or had their time. Never rejects. */
  function refresh(): Promise<void> {
    if (underWay === null) return askAll();
    // Nodes may have told already, and something may have changed there since.
    next ??= Promise.withResolvers();
    return next.promise;
  }

  return {
    present,
    refresh,
    /**
     * The same, unless all were asked less than `ms` milliseconds ago, or are being asked: a node that hangs then holds
     * up one request in a while, not every one. Never rejects.
     */
    refreshUnlessRecent(ms: number): Promise<void> {
      if (underWay !== null) return underWay;
      return registry.now() - endedAt < ms ? Promise.resolve() : askAll();
    },
    /** Asks one node, after something was changed there. Never rejects. */
    refreshNode: read,
  };
}
