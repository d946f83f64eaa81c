/** `GET /stats`: the last hour in numbers, of the fleet or of one node. */
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import { z } from "zod";
import type { Stats } from "../observe/stats.ts";
import type { Registry } from "../registry.ts";
import { badRequest } from "./bad_request.ts";
import type { HubEnv } from "./body.ts";

export interface StatsRouteDeps {
  readonly stats: Stats;
  readonly registry: Registry;
}

/** What can be asked. */
const statsQuery = z.object({ node_id: z.string().optional() });

/** The route. */
export function statsRoute(hub: StatsRouteDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  app.get("/stats", zValidator("query", statsQuery, badRequest), (context) => {
    const { node_id: id } = context.req.valid("query");
    // A node that left has its hour as well.
    const isKnown = id === undefined || hub.registry.get(id) !== undefined || hub.stats.has(id);
    if (!isKnown) return context.json({ detail: "Node not found" }, 404);
    return context.json(hub.stats.hour(id ?? null));
  });
  return app;
}
