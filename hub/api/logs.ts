/** `GET /logs` and `GET /logs/{request_id}`: the newest finished requests, and one with its whole story. */
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import type { Registry } from "../registry.ts";
import { KEPT_REQUESTS, type KeptRequest, type RequestLog, type RequestRecord } from "../request_log.ts";
import { badRequest } from "./bad_request.ts";
import type { HubEnv } from "./body.ts";
import { describeDecision } from "./explain.ts";
import { logsQuery } from "./logs_query.ts";

export interface LogsRouteDeps {
  readonly requestLog: RequestLog;
  readonly registry: Pick<Registry, "inOrder">;
}

/** A record without what the client asked. */
export type BriefRecord = Omit<RequestRecord, "request_json">;

/** `record` without what the client asked, which is most of it and may be private. */
export function briefOf({ request_json: _, ...brief }: RequestRecord): BriefRecord {
  return brief;
}

/** The JSON of one request, with everything that is kept of it. */
export function describeRequest({ record, decisions }: KeptRequest, registry: Pick<Registry, "inOrder">) {
  const began = Date.parse(record.timestamp);
  return {
    ...record,
    decisions: decisions.map(({ atMs, decision }) => ({
      at_ms: atMs,
      ...describeDecision(decision, { ...record, at: new Date(began + atMs) }, registry),
    })),
  };
}

/** The routes. */
export function logsRoutes({ requestLog, registry }: LogsRouteDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  app.get("/logs", zValidator("query", logsQuery, badRequest), (context) => {
    const { limit, format, request_json } = context.req.valid("query");
    const records = requestLog.newest(limit);
    const shown = request_json === "0" ? records.map(briefOf) : records;
    if (format === "json") return context.json(shown);
    const lines = shown.map((record) => `${JSON.stringify(record)}\n`).join("");
    return context.body(lines, 200, { "content-type": "application/x-ndjson" });
  });
  app.get("/logs/:id", (context) => {
    const kept = requestLog.find(context.req.param("id"));
    if (kept) return context.json(describeRequest(kept, registry));
    return context.json({ detail: `Request not found: the hub keeps the last ${KEPT_REQUESTS}` }, 404);
  });
  return app;
}
