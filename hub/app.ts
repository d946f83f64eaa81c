/** The hub's routes and how errors look on them. No logic: each route hands over to the file that owns it. */
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import { parseAddress } from "../shared/address.ts";
import { describeIssues } from "../shared/errors.ts";
import { peerAddress } from "../shared/listen.ts";
import type { Logger } from "../shared/log.ts";
import { HEADERS, heartbeat, PATHS } from "../shared/protocol.ts";
import { boundIdleTimeout, type HubEnv, liftIdleTimeout, readBody } from "./api/body.ts";
import { dashboard } from "./api/dashboard.ts";
import { readJob } from "./api/jobs.ts";
import { describeNode } from "./api/nodes.ts";
import { type DispatchDeps, dispatch } from "./dispatch.ts";
import { parseJson } from "./ndjson.ts";
import { KEPT_REQUESTS, type RequestLog } from "./request_log.ts";

export interface HubAppDeps extends DispatchDeps {
  readonly requestLog: RequestLog;
  readonly log: Logger;
  /** New at every start of the hub; nodes register again when it changes. */
  readonly bootId: string;
  /** Bytes. */
  readonly maxBody: number;
  /** Milliseconds a request may take altogether. */
  readonly requestMs: number;
}

/** Bytes: ten thousand model names fit. */
const LARGEST_HEARTBEAT = 1_000_000;

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
    if (error instanceof HTTPException) return context.json({ detail: error.message }, error.status);
    hub.log.error({ err: error, method: context.req.method, path: context.req.path }, "unexpected error");
    return context.json({ detail: "Internal error in the hub; its log has the details" }, 500);
  });

  app.get(PATHS.healthz, (context) => context.json({ status: "ok" }));

  app.post(PATHS.heartbeat, async (context) => {
    const body = await readBody(context, LARGEST_HEARTBEAT);
    if (body.kind === "too large") return context.json({ detail: "A heartbeat is larger than 1 MB" }, 413);
    const json = body.kind === "whole" ? parseJson(new TextDecoder().decode(body.bytes)) : undefined;
    if (json === undefined) return context.json({ detail: "The body is not valid JSON" }, 400);
    const beat = heartbeat.safeParse(json);
    if (!beat.success) return context.json({ detail: describeIssues(beat.error) }, 400);
    const node = registry.heartbeat(beat.data, parseAddress(peerAddress(context.env, context.req.raw)));
    return context.json({ node_id: beat.data.node_id, status: "ok", ipv4: node?.ipv4, ipv6: node?.ipv6 });
  });

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

  app.post("/jobs", async (context) => {
    const id = crypto.randomUUID();
    const { signal } = context.req.raw;
    const body = await readBody(context, hub.maxBody);
    const read = body.kind === "whole" ? readJob(id, body.bytes) : { problem: "The body broke off before its end" };
    const job = "problem" in read ? null : read;
    const record = requestLog.begin({
      requestId: id,
      clientIp: peerAddress(context.env, context.req.raw),
      endpoint: context.req.path,
      method: context.req.method,
      model: job?.model ?? null,
      stream: job?.stream ?? false,
      json: job?.request ?? null,
    });
    const reject = (status: 400 | 413, detail: string) => {
      record.finish({ status, error: detail });
      return context.json({ detail }, status, { [HEADERS.requestId]: id });
    };
    if (body.kind === "too large") return reject(413, `The body is larger than ${hub.maxBody / 1e6} MB (MAX_BODY_MB)`);
    if ("problem" in read) return reject(400, read.problem);

    liftIdleTimeout(context);
    const deadlineAt = hub.clock.now() + hub.requestMs;
    const response = await dispatch({ ...read, signal, deadlineAt, record }, hub);
    boundIdleTimeout(context, hub.attemptTimes.idleMs);
    return response;
  });

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
