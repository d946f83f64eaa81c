/** The node's route table and what every answer of it has in common. No logic. */
import { type Context, Hono } from "hono";
import { parseAddress } from "../shared/address.ts";
import { type HttpServer, peerAddress } from "../shared/listen.ts";
import type { Logger } from "../shared/log.ts";
import { CONTENT_TYPE } from "../shared/metrics.ts";
import { HEADERS, type NodeHealth, PATHS } from "../shared/protocol.ts";
import { pathIn } from "../shared/signed_text.ts";
import type { Arrival } from "./arrival.ts";
import type { Execute } from "./execute.ts";
import { readExecuteBody } from "./execute_body.ts";
import type { NodeMetrics } from "./metrics.ts";
import type { OllamaFace } from "./ollama_face.ts";
import { declineAsOther, noTicket } from "./own_answer.ts";
import type { TicketGate } from "./ticket_gate.ts";

export interface NodeAppDeps {
  readonly nodeId: string;
  readonly execute: Execute;
  readonly ollamaFace: OllamaFace;
  readonly gate: TicketGate;
  /** Resolves when the hub has been heard again (`first`: at all), or soon: what came before its answer is judged after it. */
  readonly hubHeard?: (which: "first" | "next") => Promise<void>;
  /** What GET /health says; never waits for anything. A challenge is answered as `proof`. */
  readonly health: (challenge: string, hubKey: string, at: string) => NodeHealth;
  /** What GET /metrics says. */
  readonly metrics: Pick<NodeMetrics, "text">;
  readonly log: Logger;
}

interface Env {
  Bindings: { server: HttpServer };
  Variables: { requestId: string; bodyHash: string | null };
}

/** What a request id may look like to be taken over; anything else gets a new one, so that no log line can be forged. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** Handles one request that arrived at `server`. */
export type NodeApp = (request: Request, server: HttpServer) => Response | Promise<Response>;

/** The node's application. */
export function createNodeApp(deps: NodeAppDeps): NodeApp {
  const { nodeId, execute, ollamaFace, gate, hubHeard, health, metrics, log } = deps;
  const app = new Hono<Env>();

  app.use(async (context, next) => {
    const given = context.req.header(HEADERS.requestId) ?? "";
    const requestId = REQUEST_ID.test(given) ? given : crypto.randomUUID();
    context.set("requestId", requestId);
    await next();
    context.res.headers.set(HEADERS.nodeId, nodeId);
    context.res.headers.set(HEADERS.requestId, requestId);
  });

  // Before anything is read: a hub that still has this address under another node's name must get nothing done here.
  app.use(async (context, next) => {
    const meant = context.req.header(HEADERS.nodeId)?.trim() || nodeId;
    return meant === nodeId ? next() : declineAsOther(nodeId, meant);
  });

  app.get(PATHS.health, (context) => {
    const { challenge = "", hub = "", at = "" } = context.req.query();
    return context.json(health(challenge, hub, at));
  });

  app.get("/metrics", async (context) => {
    const text = await metrics.text();
    return context.body(text, 200, { "content-type": CONTENT_TYPE, "cache-control": "no-store" });
  });

  // Nor must anybody but the hub.
  app.use(async (context, next) => {
    const request = context.req.raw;
    const judge = () => gate(request, isBlob(request), parseAddress(peerAddress(context.env.server, request)));
    let admission = judge();
    if (admission.kind === "refused" && admission.awaits !== null && hubHeard) {
      await hubHeard(admission.awaits);
      admission = judge();
    }
    if (admission.kind === "refused") return noTicket(admission.detail, admission.stale);
    context.set("bodyHash", admission.bodyHash);
    return next();
  });

  app.post(PATHS.execute, (context) => execute(arrivalOf(context), readExecuteBody));

  // HEAD, too: Hono dispatches it as GET, but the request still says what it is.
  app.all(`${PATHS.ollama}/*`, (context) => ollamaFace(arrivalOf(context)));

  app.notFound((context) => context.json({ detail: "Not found" }, 404));

  app.onError((error, context) => {
    log.error({ err: error, path: context.req.path }, "a request failed inside the node");
    return context.json({ detail: "Internal error" }, 500);
  });

  return (request, server) => app.fetch(request, { server });
}

/** Files of models are many gigabytes: their hash is their name, and Ollama compares the two. */
function isBlob(request: Request): boolean {
  return request.method === "POST" && pathIn(request.url).startsWith(`${PATHS.ollama}/api/blobs/`);
}

function arrivalOf(context: Context<Env>): Arrival {
  const request = context.req.raw;
  const setIdleTimeout = (seconds: number) => context.env.server.timeout(request, seconds);
  return { request, requestId: context.get("requestId"), bodyHash: context.get("bodyHash") ?? null, setIdleTimeout };
}
