/** What upstream and load generator say to each other through whatever stands between: the request, and chunks with a time stamp. */

/** How one stream is to come. */
export interface Pace {
  /** Chunks before the last line; the first one comes at once. */
  readonly chunks: number;
  /** Milliseconds from one to the next. */
  readonly everyMs: number;
}

/** Bytes of a chunk, with its line feed. */
export const CHUNK_BYTES = 100;
/** Models every node has. */
export const MODELS: readonly string[] = Array.from({ length: 20 }, (_, index) => `m${String(index).padStart(2, "0")}`);
/** The one that is asked for. */
const MODEL = "m07";
/** Nodes that the upstream is at the same time. */
export const UPSTREAM_NODES = 10;
/** The route of it all. */
export const PATH = "/api/generate";

/** Microseconds, wide enough for this century. */
const STAMP_DIGITS = 16;
const BEFORE_STAMP = `{"model":"${MODEL}","created_at":"2026-01-01T00:00:00Z","response":"@`;
const AFTER_STAMP = `@","done":false}\n`;
const PADDING = ".".repeat(CHUNK_BYTES - BEFORE_STAMP.length - STAMP_DIGITS - AFTER_STAMP.length);

/** Milliseconds by a clock that all processes of this machine share. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** A chunk written at `atMs`: a line of Ollama's. */
export function chunkAt(atMs: number): string {
  return BEFORE_STAMP + Math.round(atMs * 1000) + PADDING + AFTER_STAMP;
}

/** When the chunk `line` was written, milliseconds; NaN for any other line. */
export function writtenAt(line: string): number {
  const at = line.indexOf('"@');
  return at < 0 ? Number.NaN : Number(line.slice(at + 2, at + 2 + STAMP_DIGITS)) / 1000;
}

/** The last line of a stream, or all of an answer that is none. */
export function lastLine(chunks: number, text = ""): string {
  const counts = `"prompt_eval_count":5,"eval_count":${chunks}`;
  const durations = `"total_duration":2000000,"load_duration":1000,"prompt_eval_duration":1000000,"eval_duration":1000000`;
  return (
    `{"model":"${MODEL}","created_at":"2026-01-01T00:00:00Z","response":"${text}","done":true,` +
    `"done_reason":"stop",${durations},${counts}}\n`
  );
}

/** The body of a request for a stream at `pace`, or for a whole answer. */
export function requestBody(pace: Pace | null): string {
  const request = { model: MODEL, prompt: "Why is the sky blue?", stream: pace !== null };
  return JSON.stringify(pace === null ? request : { ...request, options: { bench: [pace.chunks, pace.everyMs] } });
}

/** The pace that a request's body asks for; null for a whole answer. */
export function paceIn(body: string): Pace | null {
  const [, chunks, everyMs] = /"bench":\[(\d+),(\d+)\]/.exec(body) ?? [];
  return chunks === undefined ? null : { chunks: Number(chunks), everyMs: Number(everyMs) };
}

/** A whole request with `body`, as it goes over the wire. */
export function httpRequest(port: number, body: string): string {
  return (
    `POST ${PATH} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}
