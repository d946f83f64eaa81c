/** The hub's routes and how errors look on them. No logic: each route hands over to the file that owns it. */
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { describeIssues } from "../shared/errors.ts";
import type { Logger } from "../shared/log.ts";
import { HEADERS, PATHS } from "../shared/protocol.ts";
import type { HubEnv } from "./api/body.ts";
import { dashboard } from "./api/dashboard.ts";
import { type JobsDeps, serveJob } from "./api/jobs.ts";
import { describeNode, receiveHeartbeat } from "./api/nodes.ts";
import { KEPT_REQUESTS } from "./request_log.ts";

export interface HubAppDeps extends JobsDeps {
  readonly log: Logger;
  /** New at every start of the hub; nodes register again when it changes. */
  readonly bootId: string;
}

const logsQuery = z.object({ limit: z.coerce.number().int().min(1).max(KEPT_REQUESTS).default(100) });

/** Builds the hub's router. It listens to nothing; `fetch` takes the Bun server as its second argument. */
export function createHubApp(hub: HubAppDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  const { registry, requestLog } = hub;

  app.use(async (context, next) => {
    await next();
    context.header(HEADERS.hubBootId, hub.bootId);
  });
  app.notFound((context) => context.json({ detail: `Not Found: ${context.req.method} ${context.req.path}` }, 404));
  app.onError((error, context) => {
    hub.log.error({ err: error, method: context.req.method, path: context.req.path }, "unexpected error");
    return context.json({ detail: "Internal error in the hub; its log has the details" }, 500);
  });

  app.get(PATHS.healthz, (context) => context.json({ status: "ok" }));

  app.post(PATHS.heartbeat, (context) => receiveHeartbeat(context, registry));

  app.get("/nodes", (context) => {
    const now = registry.now();
    return context.json(Array.from(registry.all(), (node) => describeNode(node, now, hub.liveness)));
  });
  app.get("/nodes/:id", (context) => {
    const node = registry.get(context.req.param("id"));
    if (!node) return context.json({ detail: "Node not found" }, 404);
    return context.json(describeNode(node, registry.now(), hub.liveness));
  });

  app.get("/logs", zValidator("query", logsQuery, badRequest), (context) =>
    context.json(requestLog.newest(context.req.valid("query").limit)),
  );

  app.post("/jobs", (context) => serveJob(context, hub));

  app.route("/", dashboard);
  return app;
}

/** zod's findings as the one-sentence `detail` the user's clients know. */
function badRequest(
  result: { success: true } | { success: false; error: z.core.$ZodError },
  context: Context,
): Response | undefined {
  return result.success ? undefined : context.json({ detail: describeIssues(result.error) }, 400);
}
