/** `GET /queue`: who waits for a free slot, for which model, and how long one more would. */
import { Hono } from "hono";
import { ANY_MODEL, shortName } from "../../shared/model_name.ts";
import type { BodyBudget } from "../body_budget.ts";
import { expectedWait, type QueueDeps } from "../queue_facts.ts";
import type { HubEnv } from "./body.ts";

export interface QueueRouteDeps extends QueueDeps {
  readonly bodyBudget: BodyBudget;
}

/** The JSON of the waiting room now. */
export function describeQueue(hub: QueueRouteDeps) {
  const { registry, waitingRoom, bodyBudget } = hub;
  return {
    waiting: waitingRoom.length,
    size: waitingRoom.size,
    timeout_s: waitingRoom.timeoutMs / 1000,
    models: waitingRoom.queues().map(({ model, waiting, oldestWaitMs }) => ({
      // A request that names no model may wait too.
      model: model === ANY_MODEL ? null : shortName(model),
      waiting,
      oldest_wait_ms: Math.round(oldestWaitMs),
      // Without a measurement it would be a guess, good for Retry-After and not for people.
      expected_wait_ms: registry.serviceMs(model) === null ? null : Math.round(expectedWait(model, hub)),
    })),
    /** Request bodies held in memory, in bytes. */
    bodies: { held: bodyBudget.taken, limit: bodyBudget.size },
  };
}

/** The route. */
export function queueRoute(hub: QueueRouteDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  app.get("/queue", (context) => context.json(describeQueue(hub)));
  return app;
}
