/** Before everything else: is the request sane, may it in, and as whom. Nothing of its body is read here. */
import type { Context, MiddlewareHandler } from "hono";
import { type Address, parseAddress } from "../../shared/address.ts";
import type { Clock } from "../../shared/clock.ts";
import { forwardingHeader } from "../../shared/forwarding.ts";
import { peerAddress } from "../../shared/listen.ts";
import type { Logger } from "../../shared/log.ts";
import { sourceOf } from "../../shared/networks.ts";
import { CLIENT_CLOSED_REQUEST, PATHS } from "../../shared/protocol.ts";
import { type Gate, rulesNow } from "../access/gate.ts";
import type { StoredKey } from "../access/key_file.ts";
import { type Access, type AccessRequest, judgeAccess } from "../policy/access.ts";
import { isWellFormedHost } from "../policy/allowed_hosts.ts";
import type { Caller } from "../policy/callers.ts";
import { type ListedRoute, roleFinder } from "../policy/roles.ts";
import { createRarely } from "../rarely.ts";
import type { RequestLog } from "../request_log.ts";
import type { HubEnv, Refused } from "./body.ts";
import { type Holder, holderOf, STRANGER } from "./credentials.ts";
import { refusalFor } from "./refusal.ts";

export interface GuardDeps {
  readonly gate: Gate;
  readonly clock: Clock;
  readonly log: Pick<Logger, "warn">;
  readonly requestLog: RequestLog;
}

/** Methods that HTTP has and a route might; TRACE and CONNECT would reach a handler. */
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
/** Pages that send their visitor to the login. */
const PAGE = /^\/($|docs$|static\/[^/]+\.html$)/;
const LOGIN_PAGE = "/static/login.html";

/** Refusals written into the log in an hour at most, one for each source and reason. */
const TOLD = 200;
const TOLD_MS = 3_600_000;

/**
 * Judges every request and lets `admit` say no to those that only lack a key, so that the headers for web pages are on
 * that answer too. `registered` may grow until the first request.
 */
export function guard(
  { gate, clock, log, requestLog }: GuardDeps,
  registered: readonly ListedRoute[],
): MiddlewareHandler<HubEnv> {
  const askedFor = roleFinder(registered);
  const rarely = createRarely(clock, TOLD_MS, TOLD);

  return async (context, next) => {
    const request = context.req.raw;
    const { path } = context.req;
    const insane = whyInsane(request);
    if (insane !== null) return refusalFor(path, insane.status, insane.sentence, insane.headers);

    const peer = peerAddress(context.env, request);
    const source = parseAddress(peer);
    context.set("source", source);
    // Whether the hub runs depends on nothing that decides about all else.
    if (isHealth(request.method, path)) return next();
    const rules = rulesNow(gate);
    const holder = holderNow(context);
    const asks = accessRequest(context, path, askedFor, holder, source);
    const access = judgeAccess(asks, rules);
    const tooMany = holder.guessed ? gate.guesses.tried(sourceOf(source)) : null;
    if (tooMany !== null) {
      context.set("refusal", { status: 429, ...tooMany });
    } else if (!access.allowed) {
      if (access.why === "source" && source === null) return left(context, requestLog);
      tellOnce(access, peer);
      // The headers for pages, and Ollama's own answer to one that may not use it, are the business of `cors`.
      const later = access.why === "credential" || access.why === "role" || hasOrigin(access, request);
      if (!later) return refusalFor(path, access.status, access.sentence);
      context.set("refusal", access);
    } else {
      context.set("role", access.as);
      context.set("mayStay", () => {
        const { credential } = holderNow(context);
        return judgeAccess({ ...asks, credential }, rulesNow(gate)).allowed;
      });
      context.set("caller", callerOf(holder.key, request, gate, asks));
    }
    return next();
  };

  /** Nobody is asked who they are while the hub is open. */
  function holderNow(context: Context<HubEnv>): Holder {
    return gate.keys.closed ? holderOf(context, gate.keys, gate.sessions) : STRANGER;
  }

  function tellOnce({ why, sentence }: Denied, source: string): void {
    // Whoever has no key yet is told so, and nobody else needs to know.
    if (why === "credential" || why === "role") return;
    if (rarely(`${why} ${source}`)) log.warn({ source, why }, `refused a request: ${sentence}`);
  }
}

/** Who is gone before its address was asked for is from nowhere, and hears no answer. The log has what was asked for work. */
function left(context: Context<HubEnv>, requestLog: Pick<RequestLog, "begin">): Response {
  const { method, path } = context.req;
  if (counts(method, path)) {
    const requestId = crypto.randomUUID();
    const start = { requestId, clientIp: "", endpoint: path, method, model: null, stream: false, json: null };
    requestLog
      .begin(start)
      .finish({ status: CLIENT_CLOSED_REQUEST, error: "the client left before anything of it was read" });
  }
  return new Response(null, { status: CLIENT_CLOSED_REQUEST });
}

type Denied = Extract<Access, { allowed: false }>;

function hasOrigin({ why }: Denied, request: Request): boolean {
  return why === "cross-site" && (request.headers.get("origin") ?? "") !== "";
}

/** Refuses those the guard has not let in, and those who take too much. Belongs behind `cors`. */
export function admit({ gate }: Pick<GuardDeps, "gate">): MiddlewareHandler<HubEnv> {
  return async (context, next) => {
    const { path, method } = context.req;
    const refusal = context.get("refusal");
    if (refusal !== undefined) {
      const isPage = refusal.status === 401 && (method === "GET" || method === "HEAD") && PAGE.test(path);
      if (isPage && context.req.header("accept")?.includes("text/html"))
        return context.redirect(loginFor(path, context.req.url), 303);
      return refusalFor(path, refusal.status, refusal.sentence, refusal.headers);
    }
    const caller = context.get("caller");
    if (caller === undefined || !counts(method, path)) return next();
    const entry = gate.limits.enter(caller);
    if ("over" in entry) {
      const { sentence, retryAfterSeconds, headers } = entry.over;
      return refusalFor(path, 429, sentence, { ...headers, "retry-after": String(retryAfterSeconds) });
    }
    const { lease } = entry;
    context.set("lease", lease);
    await next();
    // What is written into the log ends with its record, a stream long after this.
    if (context.get("record") === undefined) lease.end();
    for (const [name, value] of Object.entries(lease.headers)) context.header(name, value);
    return;
  };
}

function isHealth(method: string, path: string): boolean {
  return path === PATHS.healthz && (method === "GET" || method === "HEAD");
}

/** The login, which leads back to the page that was asked for. */
function loginFor(path: string, url: string): string {
  const page = path + new URL(url).search;
  return page === "/" ? LOGIN_PAGE : `${LOGIN_PAGE}?to=${encodeURIComponent(page)}`;
}

/** True for what costs something: work for a node. The dashboard, heartbeats and signs of life are never too much. */
function counts(method: string, path: string): boolean {
  return method !== "OPTIONS" && (path.startsWith("/api/") || path.startsWith("/v1/") || path === "/jobs");
}

/** What is wrong with a request's frame, whatever it asks for. Null where nothing is. */
function whyInsane(request: Request): Refused | null {
  const { headers, method, url } = request;
  if (!isWellFormedHost(headers.get("host") ?? "") || !/^https?:\/\//.test(url)) {
    return { status: 400, sentence: "The Host header is missing or malformed" };
  }
  if (!METHODS.has(method)) {
    return {
      status: 405,
      sentence: `Method Not Allowed: ${method.slice(0, 20)}`,
      headers: { allow: [...METHODS].join(", ") },
    };
  }
  const encoding = headers.get("content-encoding");
  // zstd is what Ollama itself takes on /v1; elsewhere it overlooks the label, and so does the hub.
  if (encoding !== null && !/^(identity|zstd)?$/i.test(encoding.trim())) {
    return { status: 415, sentence: "Content-Encoding must be identity, or zstd on /v1: send the body as it is" };
  }
  return null;
}

function accessRequest(
  context: Parameters<MiddlewareHandler<HubEnv>>[0],
  path: string,
  askedFor: ReturnType<typeof roleFinder>,
  { credential }: Holder,
  source: Address | null,
): AccessRequest {
  const { headers, method } = context.req.raw;
  const reads = method === "GET" || method === "HEAD";
  const isPreflight = method === "OPTIONS" && headers.has("access-control-request-method");
  return {
    source,
    host: headers.get("host") ?? "",
    browser: {
      origin: headers.get("origin") ?? "",
      fetchSite: headers.get("sec-fetch-site") ?? "",
      navigates: reads && headers.get("sec-fetch-mode") === "navigate" && headers.get("sec-fetch-dest") === "document",
    },
    forwarded: forwardingHeader(headers),
    credential,
    // A browser asks without the key whether it may send it.
    asked: isPreflight ? "anonymous" : askedFor(method, path),
  };
}

/** Whose limits and turns count. */
function callerOf(key: StoredKey | null, request: Request, { sourceLimits }: Gate, asks: AccessRequest): Caller {
  if (key === null) {
    const id = sourceOf(asks.source);
    return { id, key: null, turn: asks.source?.text ?? "", weight: 1, limits: sourceLimits, models: null, chat: null };
  }
  const user = key.trustUserHeader ? spoken(request, "x-openwebui-user-id") : null;
  return {
    id: key.id,
    // Not the whole of it: what is written down has no business with the rest.
    key: { id: key.id, name: key.name },
    turn: user === null ? key.id : `${key.id} ${user}`,
    weight: key.weight,
    limits: key,
    models: key.models,
    chat: key.trustUserHeader ? spoken(request, "x-openwebui-chat-id") : null,
  };
}

const LONGEST_ID = 128;

/** What a header says, where it is an id. */
function spoken(request: Request, header: string): string | null {
  const value = request.headers.get(header)?.trim() ?? "";
  return value === "" || value.length > LONGEST_ID ? null : value;
}
