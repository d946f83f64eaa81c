/** `GET /metrics`: the hub's figures in Prometheus' text format. */
import { Hono } from "hono";
import { CONTENT_TYPE } from "../../shared/metrics.ts";
import type { HubMetrics } from "../observe/metrics.ts";
import type { HubEnv } from "./body.ts";

export interface MetricsRouteDeps {
  readonly metrics: Pick<HubMetrics, "text">;
}

/** The route. */
export function metricsRoute(hub: MetricsRouteDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  app.get("/metrics", async (context) => {
    const text = await hub.metrics.text();
    return context.body(text, 200, { "content-type": CONTENT_TYPE, "cache-control": "no-store" });
  });
  return app;
}
