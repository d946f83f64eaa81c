/** What of a node decides whether a request that waits finds a place there. */

import { type LivenessLimits, livenessOf } from "../policy/liveness.ts";
import type { NodeRecord } from "./node_record.ts";

/** To be compared with `isOther`. */
export type PlaceFacts = readonly unknown[];

/** Where `node` stands at monotonic `now`: most heartbeats change nothing of it. */
export function placeFactsOf(node: NodeRecord, now: number, limits: LivenessLimits): PlaceFacts {
  const { models, loaded, slots, ollamaOk, dialable, proving, intent, bootId } = node;
  const isFresh = livenessOf(now - node.lastHeardAt, limits) === "fresh";
  return [isFresh, models, loaded, slots, ollamaOk, dialable, proving, intent, bootId, node.loading.size];
}

/** True when something of it is different. */
export function isOther(one: PlaceFacts, other: PlaceFacts): boolean {
  return one.some((value, index) => value !== other[index]);
}
