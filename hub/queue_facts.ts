/** The waiting room as people and clients are told of it: who waits for what, and for how long it will be. */

import type { ModelKey } from "../shared/model_name.ts";
import type { WaitingRoom } from "./capacity.ts";
import type { Job } from "./job.ts";
import { type Needs, passesSoon, whyNot } from "./policy/eligibility.ts";
import type { LivenessLimits } from "./policy/liveness.ts";
import { expectedWaitMs, type ModelQueue, retryAfterSeconds } from "./policy/queueing.ts";
import type { Registry } from "./registry.ts";

export interface QueueDeps {
  readonly registry: Registry;
  readonly waitingRoom: WaitingRoom;
  readonly liveness: LivenessLimits;
}

/** Any request that runs a model, as far as it is known. */
const ANY_NEEDS: Needs = { capability: "execute", nodeId: null, slot: true };
const NOBODY: ReadonlySet<string> = new Set();

/** Milliseconds until one more request for `model` gets a slot, by what was measured so far. */
export function expectedWait(model: ModelKey, hub: QueueDeps, needs = ANY_NEEDS): number {
  const others = hub.waitingRoom.queues().filter((queue) => queue.model !== model);
  return expectedWaitMs(
    queueOf(model, hub, needs),
    others.map((other) => queueOf(other.model, hub, ANY_NEEDS)),
  );
}

/** What a request is told that finds no place, or found none in time. */
export function waitingFacts({ key, needs }: Pick<Job, "key" | "needs">, hub: QueueDeps) {
  return {
    waiting: hub.waitingRoom.length,
    retryAfterSeconds: retryAfterSeconds(expectedWait(key, hub, needs)),
  };
}

function queueOf(model: ModelKey, { registry, waitingRoom, liveness }: QueueDeps, needs: Needs): ModelQueue {
  const request = { model, tried: NOBODY, needs, digest: null, waiting: 0 };
  const now = registry.now();
  const slots = new Map<string, number>();
  for (const node of registry.having(model)) {
    const reason = whyNot(node, request, now, liveness);
    if (reason === null || passesSoon(reason)) slots.set(node.id, node.slots);
  }
  return { waiting: waitingRoom.waitingFor(model), serviceMs: registry.serviceMs(model), slots };
}
