/** Server-sent events as Ollama's /v1 routes stream them: where events end, and which one ends the stream. */
import { z } from "zod";
import { parseJson } from "../../shared/json.ts";
import type { Framing, StreamEnd } from "../job.ts";
import { errorIn, messageIn, NO_TOKENS, usageIn } from "./answer_body.ts";

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const FIRST_FIELD = /^[\r\n]*(?:data:|event:|id:|retry:|:)/;
/** Enough of a stream's beginning to see its first event; a longer one is taken for what it looks like. */
const BEGINNING = 16 * 1024;
const encoder = new TextEncoder();
const typed = z.object({ type: z.string() });

export interface SseEvent {
  /** `type` in its JSON, else what stands under `event:`. */
  readonly type: string | null;
  readonly data: string;
  /** `data` as JSON, or undefined where it is none. */
  readonly json: unknown;
  /** False for one whose blank line has not come: clients never hear of it (WHATWG HTML, 9.2.6). */
  readonly whole: boolean;
}

/** What distinguishes the streams of one family of routes from another's. */
export interface Dialect {
  /** False for an event that no stream of this family has. */
  isOne(event: SseEvent): boolean;
  /** True for the event that says that the answer is whole. */
  isLast(event: SseEvent): boolean;
  /** The part of an event's JSON that has `usage` and `error`, where it is not the whole. */
  bodyOf?(json: unknown): unknown;
  readWhole(json: unknown): StreamEnd;
}

/** The framing of a stream of events in `dialect`. */
export function sse(dialect: Dialect): Framing {
  return {
    endOfLastFrame: endOfLastEvent,
    isFirst(frames) {
      const [first] = readEvents(frames.subarray(0, BEGINNING));
      if (first === undefined) return FIRST_FIELD.test(new TextDecoder().decode(frames.subarray(0, BEGINNING)));
      return !first.whole || errorOf(first) !== null || dialect.isOne(first);
    },
    readLast: (frames) => readEnd(readEvents(frames), dialect),
    readWhole: dialect.readWhole,
  };
}

/** One event, ready to send. */
export function sseFrame(event: string | null, json: string): Uint8Array {
  return encoder.encode(`${event === null ? "" : `event: ${event}\n`}data: ${json}\n\n`);
}

/** Index after the last blank line, or 0. A line may end in CR LF; alone, CR ends none: nobody streams like that. */
function endOfLastEvent(bytes: Uint8Array): number {
  for (let end = bytes.lastIndexOf(LINE_FEED); end > 0; end = bytes.lastIndexOf(LINE_FEED, end - 1)) {
    const before = bytes[end - 1] === CARRIAGE_RETURN ? end - 2 : end - 1;
    if (bytes[before] === LINE_FEED) return end + 1;
  }
  return 0;
}

/** What the first event of `events` that ends their stream says. What follows it no client reads. */
function readEnd(events: readonly SseEvent[], { isLast, bodyOf }: Dialect): StreamEnd {
  let tokens = NO_TOKENS;
  for (const event of events) {
    const body = bodyOf?.(event.json) ?? event.json;
    const error = event.whole ? (errorOf(event) ?? errorIn(body)) : null;
    if (error !== null) return { kind: "error", message: error };
    tokens = usageIn(body) ?? tokens;
    if (isLast(event)) return { kind: "done", ...tokens, slotWaitMs: null };
  }
  return { kind: "unfinished" };
}

function errorOf({ type, json, data }: SseEvent): string | null {
  const error = errorIn(json);
  return error === null && type === "error" ? (messageIn(json) ?? data.slice(0, 1000)) : error;
}

/** The events in `bytes`, the last one also when it is not whole yet. */
function readEvents(bytes: Uint8Array): SseEvent[] {
  const events: SseEvent[] = [];
  let name: string | null = null;
  let data: string[] = [];
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  for (const [index, line] of lines.entries()) {
    const unterminated = index === lines.length - 1;
    const { field, value } = readLine(line);
    if (field === "event") name = value;
    if (field === "data") data.push(value);
    if (line !== "" && !unterminated) continue;
    if (data.length > 0) events.push(eventOf(name, data.join("\n"), !unterminated));
    name = null;
    data = [];
  }
  return events;
}

function readLine(line: string): { field: string; value: string } {
  const colon = line.indexOf(":");
  if (colon < 0) return { field: line, value: "" };
  const value = line.slice(colon + 1);
  return { field: line.slice(0, colon), value: value.startsWith(" ") ? value.slice(1) : value };
}

function eventOf(name: string | null, data: string, whole: boolean): SseEvent {
  const json = parseJson(data);
  return { type: typed.safeParse(json).data?.type ?? name, data, json, whole };
}
