/** What all routes share that act on nodes' models or accounts: the request's record, its headers, its one end. */
import type { Context } from "hono";
import { headersForOllama } from "../../shared/http_headers.ts";
import { peerAddress } from "../../shared/listen.ts";
import { CLIENT_CLOSED_REQUEST, HEADERS, PATHS } from "../../shared/protocol.ts";
import { nativeError } from "../faces/native.ts";
import { exhausted } from "../faces/wording.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import type { HubAnswer } from "../job.ts";
import type { BlobPlaces } from "../manage/blob_places.ts";
import type { Errand } from "../manage/send.ts";
import { isTooDeep } from "../skim_json.ts";
import { askedNode } from "./asked_node.ts";
import { boundIdleTimeout, type HubEnv, liftIdleTimeout, readBody, releaser, whyUnread } from "./body.ts";
import { DEEPEST_BODY, NESTED_TOO_DEEPLY } from "./request_fields.ts";
import type { ServeDeps } from "./serve.ts";

export interface ManageDeps extends ServeDeps {
  /** Whether models may be pulled, made and deleted through this hub at all. */
  readonly management: "on" | "off";
  readonly blobPlaces: BlobPlaces;
}

/** One request under way. Exactly one of its ends has to be called. */
export interface Visit extends Errand {
  /** What the client sent as X-Node-Id: a node, `*` for all, null for any. */
  readonly asked: string | null;
  /** Answers with what came whole from `from`. `error` is for the log, null when it went well. */
  answer(whole: WholeAnswer, from: readonly NodeRecord[], error: string | null): Response;
  /** Answers with the hub's own words. */
  refuse(answer: OwnAnswer, from?: readonly NodeRecord[]): Response;
  /** Begins an answer that takes its time, by the `attempts`th node asked; `close` has to be called at its end. */
  stream(body: ReadableStream<Uint8Array>, headers: Headers, from: readonly NodeRecord[], attempts: number): Response;
  /** Closes the books, on a stream or on a client that has gone. */
  close(status: number, error: string | null): void;
  /** The client has gone; nobody gets this answer. */
  left(): Response;
}

export interface WholeAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array | string | null;
}

/** The hub's own answer; `retryAfterSeconds` where it is another one after a while. */
export interface OwnAnswer extends HubAnswer {
  readonly retryAfterSeconds?: number;
}

export interface About {
  /** "" when it names none. */
  readonly model: string;
  readonly stream: boolean;
  /** What the log keeps of it. */
  readonly json: unknown;
  /** Milliseconds a node has to the first byte of its answer; null where minutes of silence are no failure. */
  readonly patienceMs: number | null;
}

/** Opens the books on `context`'s request. Until its end no idle timeout cuts the connection. */
export function visit(context: Context<HubEnv>, about: About, hub: ManageDeps): Visit {
  const request = context.req.raw;
  const id = crypto.randomUUID();
  const { search } = new URL(request.url);
  const { model, stream, json, patienceMs } = about;
  const record = hub.requestLog.begin({
    requestId: id,
    clientIp: peerAddress(context.env, request),
    key: context.get("caller")?.key ?? null,
    endpoint: context.req.path,
    method: request.method,
    model: model || null,
    stream,
    json,
    onEnd: releaser(context),
  });
  context.set("record", record);
  liftIdleTimeout(context);

  const headersOf = (from: readonly NodeRecord[], more: Headers, attempts: number) => {
    const headers = new Headers(more);
    headers.set(HEADERS.requestId, id);
    headers.set(HEADERS.attempts, String(attempts));
    if (from.length > 0) headers.set(HEADERS.nodeId, from.map((node) => node.id).join(","));
    return headers;
  };
  const close = (status: number, error: string | null) => {
    record.finish({ status, error });
    boundIdleTimeout(context, hub.attemptTimes.idleMs);
  };
  const answer: Visit["answer"] = ({ status, headers, body }, from, error) => {
    record.firstByte();
    record.sent(body === null ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.byteLength);
    close(status, error);
    return new Response(typeof body === "string" || body === null ? body : Buffer.from(body), {
      status,
      headers: headersOf(from, headers, record.attempts),
    });
  };
  return {
    id,
    method: request.method as Errand["method"],
    path: PATHS.ollama + asRouted(context.req.path) + search,
    headers: headersForOllama(request.headers),
    patienceMs,
    signal: request.signal,
    record,
    asked: askedNode(request.headers),
    answer,
    refuse({ status, contentType, text, retryAfterSeconds }, from = []) {
      const headers = new Headers({ "content-type": contentType });
      if (retryAfterSeconds !== undefined) headers.set("retry-after", String(retryAfterSeconds));
      return answer({ status, headers, body: text }, from, errorOf(text));
    },
    stream(body, headers, from, attempts) {
      record.firstByte();
      return new Response(body, { headers: headersOf(from, headers, attempts) });
    },
    close,
    left() {
      close(CLIENT_CLOSED_REQUEST, "the client left before the answer");
      return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    },
  };
}

/**
 * `path`, by which Hono routed, as a node gets it: what Hono resolved of the client's escapes stays resolved, so that
 * the node's Ollama takes the same route, and what it left escaped stays so.
 */
function asRouted(path: string): string {
  return encodeURI(path).replaceAll("%25", "%");
}

/** The answer to `context`'s request where this hub lets nobody manage models, before its body is read; else null. */
export function refuseIfOff(context: Context<HubEnv>, hub: ManageDeps): Response | null {
  if (hub.management === "on") return null;
  const answer = nativeError(403, "managing models is switched off on this hub (MANAGEMENT=off)");
  return visit(context, { model: "", stream: false, json: null, patienceMs: null }, hub).refuse(answer);
}

/** The body of `context`'s request, or what to answer to one that cannot be read. */
export async function readWhole(
  context: Context<HubEnv>,
  hub: ManageDeps,
): Promise<Uint8Array<ArrayBuffer> | OwnAnswer> {
  const body = await readBody(context, hub.maxBody, hub.bodyBudget);
  if (body.kind === "whole") {
    return isTooDeep(body.bytes, DEEPEST_BODY) ? nativeError(400, NESTED_TOO_DEEPLY) : body.bytes;
  }
  const { status, why } = whyUnread(body.kind, hub);
  if (status !== 503) return nativeError(status, why);
  return {
    ...nativeError(503, exhausted(why)),
    retryAfterSeconds: 5,
  };
}

function errorOf(text: string): string {
  return String(JSON.parse(text).error);
}
