/** The hub's routes and how errors look on them. No logic: each route hands over to the file that owns it. */
import { Hono } from "hono";
import type { Logger } from "../shared/log.ts";
import { HEADERS, PATHS } from "../shared/protocol.ts";
import { accountRoutes } from "./api/account.ts";
import { type HubEnv, releaser } from "./api/body.ts";
import { cors } from "./api/cors.ts";
import { routedPath } from "./api/credentials.ts";
import { dashboard } from "./api/dashboard.ts";
import { docsRoutes } from "./api/docs.ts";
import { eventsRoute } from "./api/events.ts";
import { explainRoute } from "./api/explain.ts";
import { forgetNode } from "./api/forget.ts";
import { admit, type GuardDeps, guard } from "./api/guard.ts";
import { receiveHeartbeat } from "./api/heartbeat.ts";
import { jobsRoute } from "./api/jobs.ts";
import { listRoutes } from "./api/lists.ts";
import { loginRoutes } from "./api/login.ts";
import { logsRoutes } from "./api/logs.ts";
import { manageRoutes } from "./api/manage.ts";
import { metricsRoute } from "./api/metrics.ts";
import { describeNode, listNodes } from "./api/nodes.ts";
import { servedRoutes } from "./api/ollama.ts";
import { queueRoute } from "./api/queue.ts";
import { serve } from "./api/serve.ts";
import { statsRoute } from "./api/stats.ts";
import { strictMethods, unrouted } from "./api/unrouted.ts";
import type { ManageDeps } from "./api/visit.ts";
import type { BodyBudget } from "./body_budget.ts";
import type { Comeback } from "./fleet/comeback.ts";
import type { DigestWatch } from "./fleet/digest_watch.ts";
import type { Live } from "./observe/live.ts";
import type { HubMetrics } from "./observe/metrics.ts";
import type { Stats } from "./observe/stats.ts";
import type { AllowedOrigins } from "./policy/origins.ts";
import type { Newcomers } from "./trust/newcomers.ts";
import type { NodeKeys } from "./trust/node_keys.ts";
import type { createRefusedBeats } from "./trust/refused_beats.ts";

export interface HubAppDeps extends ManageDeps, GuardDeps {
  readonly allowedOrigins: AllowedOrigins;
  readonly digests: DigestWatch;
  readonly log: Logger;
  readonly live: Live;
  readonly stats: Stats;
  readonly metrics: Pick<HubMetrics, "text">;
  readonly comeback: Pick<Comeback, "heard" | "underWay">;
  readonly nodeKeys: NodeKeys;
  readonly newcomers: Newcomers;
  readonly refusedBeats: ReturnType<typeof createRefusedBeats>;
  /** What long heartbeats may take at a time. */
  readonly heartbeatBudget: BodyBudget;
  /** New at every start of the hub; nodes register again when it changes. */
  readonly bootId: string;
}

/** Builds the hub's router. It listens to nothing; `fetch` takes the Bun server as its second argument. */
export function createHubApp(hub: HubAppDeps): Hono<HubEnv> {
  // A key before the path is gone before anything sees it.
  const app = new Hono<HubEnv>({ getPath: routedPath });
  const { registry } = hub;

  app.use(async (context, next) => {
    await next();
    context.header(HEADERS.hubBootId, hub.bootId);
    // No browser may take for a page what is not labelled as one, least of all what a node said.
    context.header("x-content-type-options", "nosniff");
  });
  app.use(guard(hub, app.routes));
  app.use(cors(hub.allowedOrigins, hub.log, hub.clock));
  app.use(admit(hub));
  app.use(strictMethods(app.routes));
  app.notFound(unrouted);
  app.onError((error, context) => {
    releaser(context)();
    context.get("record")?.finish({ status: 500, error: "internal error in the hub; its log has the details" });
    hub.log.error({ err: error, method: context.req.method, path: context.req.path }, "unexpected error");
    return context.json({ detail: "Internal error in the hub; its log has the details" }, 500);
  });

  app.route("/", loginRoutes(hub));
  app.get(PATHS.healthz, (context) => context.json({ status: "ok" }));

  app.post(PATHS.heartbeat, (context) => receiveHeartbeat(context, hub));

  app.get("/nodes", (context) => listNodes(context, hub));
  app.get("/nodes/:id", (context) => {
    const node = registry.get(context.req.param("id"));
    if (!node) return context.json({ detail: "Node not found" }, 404);
    return context.json(describeNode(node, registry.now(), hub));
  });

  app.delete("/nodes/:id", (context) => forgetNode(context, hub));

  app.post("/jobs", (context) => serve(context, jobsRoute, hub));
  app.route("/", queueRoute(hub));
  app.route("/", logsRoutes(hub));
  app.route("/", statsRoute(hub));
  app.route("/", eventsRoute(hub));
  app.route("/", metricsRoute(hub));
  app.route("/", servedRoutes(hub));
  app.route("/", explainRoute(hub));
  app.route("/", listRoutes(hub));
  app.route("/", manageRoutes(hub));
  app.route("/", accountRoutes(hub));

  app.route("/", docsRoutes());
  app.route("/", dashboard);
  return app;
}
