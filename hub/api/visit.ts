/** What all routes share that act on nodes' models or accounts: the request's record, its headers, its one end. */
import type { Context } from "hono";
import { peerAddress } from "../../shared/listen.ts";
import { HEADERS, PATHS } from "../../shared/protocol.ts";
import type { BlobPlaces } from "../blob_places.ts";
import { nativeError } from "../faces/native.ts";
import type { HubAnswer } from "../job.ts";
import type { NodeRecord } from "../node_record.ts";
import type { Errand } from "../send.ts";
import { boundIdleTimeout, type HubEnv, liftIdleTimeout, readBody } from "./body.ts";
import { headersForNode } from "./inference.ts";
import type { ServeDeps } from "./serve.ts";

export interface ManageDeps extends ServeDeps {
  /** Whether models may be pulled, made and deleted through this hub at all. */
  readonly management: "on" | "off";
  readonly blobPlaces: BlobPlaces;
}

/** One request under way. Exactly one of its ends has to be called. */
export interface Visit extends Errand {
  /** What the client sent as X-Node-Id. */
  readonly asked: string | null;
  /** Answers with what came whole from `from`. `error` is for the log, null when it went well. */
  answer(whole: WholeAnswer, from: readonly NodeRecord[], error: string | null): Response;
  /** Answers with the hub's own words. */
  refuse(answer: HubAnswer, from?: readonly NodeRecord[]): Response;
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

/** Status written into the log for a client that left; nginx's number, nobody receives it. */
export const CLIENT_CLOSED_REQUEST = 499;

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
  const { pathname, search } = new URL(request.url);
  const { model, stream, json, patienceMs } = about;
  const record = hub.requestLog.begin({
    requestId: id,
    clientIp: peerAddress(context.env, request),
    endpoint: context.req.path,
    method: request.method,
    model: model || null,
    stream,
    json,
  });
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
    path: PATHS.ollama + pathname + search,
    headers: headersForNode(request.headers),
    patienceMs,
    signal: request.signal,
    record,
    asked: request.headers.get(HEADERS.nodeId),
    answer,
    refuse({ status, contentType, text }, from = []) {
      const headers = new Headers({ "content-type": contentType });
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

/** Ollama's own words. */
export const CLOUD_REFUSAL = nativeError(403, "ollama cloud is disabled: remote model is unavailable");

/** The answer to `context`'s request where this hub lets nobody manage models, before its body is read; else null. */
export function refuseIfOff(context: Context<HubEnv>, hub: ManageDeps): Response | null {
  if (hub.management === "on") return null;
  const answer = nativeError(403, "managing models is switched off on this hub (MANAGEMENT=off)");
  return visit(context, { model: "", stream: false, json: null, patienceMs: null }, hub).refuse(answer);
}

/** The body of `context`'s request, or what to answer to one that cannot be read. */
export async function readWhole(
  context: Context<HubEnv>,
  { maxBody }: ManageDeps,
): Promise<Uint8Array<ArrayBuffer> | HubAnswer> {
  const body = await readBody(context, maxBody);
  if (body.kind === "whole") return body.bytes;
  if (body.kind === "broken off") return nativeError(400, "The body broke off before its end");
  return nativeError(413, `The body is larger than ${maxBody / 1e6} MB (MAX_BODY_MB)`);
}

function errorOf(text: string): string {
  return String(JSON.parse(text).error);
}
