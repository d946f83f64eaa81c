/** An answer as the contract sees it: status, headers Ollama sets, body; without what changes every time. */
import type { WireAnswer } from "../fake_ollama_wire.ts";

export interface Answer {
  /** Such as "200 OK". */
  readonly status: string;
  /** Names in lower case, without those of the connection and of the framing. */
  readonly headers: Readonly<Record<string, string>>;
  /** Payload, `timeless`. */
  readonly body: string;
}

const CONNECTION_HEADERS = ["date", "connection", "keep-alive", "content-length", "transfer-encoding"];
/** What a hub adds to its answers; the last two are for web pages: to show them the others, and that none is a page. */
const HUB_HEADERS = [
  "x-request-id",
  "x-node-id",
  "x-attempts",
  "x-hub-boot-id",
  "x-queue-position",
  "access-control-expose-headers",
  "x-content-type-options",
];

/** All headers of an answer, names in lower case; a repeated one as a list. */
export function headersOf(wire: WireAnswer): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of wire.head.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return headers;
}

/** Enough to see what is wrong; a long stream would be a megabyte of log. */
const shown = (wire: WireAnswer) => JSON.stringify(wire).slice(0, 2_000);

/** The answer to a request with `method`. @throws Error when it is cut, or framed in a way that is not HTTP. */
export function readAnswer(wire: WireAnswer, method: string, viaHub: boolean): Answer {
  const all = headersOf(wire);
  const status = /^HTTP\/1\.1 (.*)/.exec(wire.head)?.[1];
  if (status === undefined) throw new Error(`no answer: ${shown(wire)}`);
  const flaw = flawOfFraming(wire, all, method, status, viaHub);
  if (flaw !== null) throw new Error(`${flaw}: ${shown(wire)}`);
  const ignored = [...CONNECTION_HEADERS, ...(viaHub ? HUB_HEADERS : [])];
  const headers = Object.entries(all).filter(([name]) => !ignored.includes(name));
  return { status, headers: Object.fromEntries(headers), body: timeless(wire.body) };
}

function flawOfFraming(
  wire: WireAnswer,
  headers: Record<string, string>,
  method: string,
  status: string,
  viaHub: boolean,
): string | null {
  if (method === "HEAD" || status.startsWith("204 ")) return wire.raw === "" ? null : "a body where there can be none";
  const { "content-length": length, "transfer-encoding": coding } = headers;
  if (!wire.complete) return "the answer breaks off";
  if ((length === undefined) === (coding === undefined)) return "it must have either a length or chunks";
  if (coding !== undefined) return coding === "chunked" ? null : "an unknown transfer coding";
  // Ollama streams in chunks; what stands between may have seen the end before it sent the head.
  if (!viaHub && /ndjson|event-stream/.test(headers["content-type"] ?? "")) return "a stream with a length";
  return Number(length) === Buffer.byteLength(wire.body) ? null : "a Content-Length that is not true";
}

/** Everything that may differ from run to run, in the form the reference gives it; anything else stays and shows. */
const CHANGING: readonly [RegExp, string][] = [
  [/"created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z"/g, '"created_at":"T"'],
  [/"(modified_at|expires_at)":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?(Z|[-+]\d\d:\d\d)"/g, '"$1":"T"'],
  [/"(created|created_at)":1\d{9}\b/g, '"$1":1'],
  [/"([a-z_]+_duration)":[1-9]\d*\b/g, '"$1":1'],
  [/"context":\[\d+(,\d+)*\]/g, '"context":[N]'],
  [/"id":"(chatcmpl|cmpl)-\d{1,3}"/g, '"id":"$1-N"'],
  [/"id":"msg_[0-9a-z]{24}"/g, '"id":"msg_N"'],
  [/"request_id":"req_[0-9a-z-]{24,36}"/g, '"request_id":"req_N"'],
  [/"((?:call_|item_)?id)":"(fc_)?call_[0-9a-z]{8}"/g, '"$1":"$2call_N"'],
  [/"((?:item_)?id)":"(resp|msg|rs)_\w+"/g, '"$1":"$2_N"'],
];

/** `text` with everything that may differ from run to run replaced. */
export function timeless(text: string): string {
  return CHANGING.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), text);
}

function typed(contentType: string, status: string, body: string, more: Record<string, string> = {}): Answer {
  return { status, headers: { "content-type": contentType, ...more }, body };
}

/** What Ollama's own routes answer when they do not stream. */
export function native(status: string, body: string): Answer {
  return typed("application/json; charset=utf-8", status, body);
}

/** A refusal of Ollama's own routes. */
export function refusal(status: string, error: string): Answer {
  return native(status, goJson({ error }));
}

/** JSON as Go's encoder writes it: `<`, `>` and `&` are escaped. */
function goJson(value: object): string {
  const escapes: Record<string, string> = { "<": "\\u003c", ">": "\\u003e", "&": "\\u0026" };
  return JSON.stringify(value).replace(/[<>&]/g, (character) => escapes[character] ?? character);
}

/** An answer or refusal without a charset: of /v1, of management without a stream, of a stream that never began. */
export function bare(status: string, body: string): Answer {
  return typed("application/json", status, body);
}

/** A stream of Ollama's own routes. */
export function ndjson(...lines: string[]): Answer {
  return typed("application/x-ndjson", "200 OK", lines.map((line) => `${line}\n`).join(""));
}

/** A stream of the /v1 routes; `events` without the empty line after each. */
export function sse(events: readonly string[], more: Record<string, string> = {}): Answer {
  return typed("text/event-stream", "200 OK", events.map((event) => `${event}\n\n`).join(""), more);
}

/** Plain text, as the router itself answers. */
export function plain(status: string, body: string, more: Record<string, string> = {}): Answer {
  return typed("text/plain", status, body, more);
}

/** Nothing but a status. */
export function empty(status: string): Answer {
  return { status, headers: {}, body: "" };
}

/** An OpenAI error object. */
export function openaiError(type: string, message: string): string {
  return goJson({ error: { message, type, param: null, code: null } });
}

/** A refusal out of the handler of a /v1 route: no charset, a line end. */
export function openaiRefusal(status: string, type: string, message: string): Answer {
  return bare(status, `${openaiError(type, message)}\n`);
}

/** A refusal by the validation of a /v1 route, before its writer is in place: a charset, no line end. */
export function openaiInvalid(message: string): Answer {
  return native("400 Bad Request", openaiError("invalid_request_error", message));
}
