/** The last 1000 requests, each with its whole story: who asked, what was tried where, how it ended. */
import type { Family } from "../shared/address.ts";
import type { Clock } from "../shared/clock.ts";
import { keptName, shorten, withoutPrompts } from "./kept_request.ts";

/** Requests kept in memory. */
export const KEPT_REQUESTS = 1000;

export interface AttemptRecord {
  readonly node_id: string;
  readonly ip_version: Family | null;
  readonly node_url: string | null;
  /** "ok", or the kind of failure. */
  readonly outcome: string;
  /** What went wrong, in words. */
  readonly error: string | null;
  readonly duration_ms: number;
}

/** One row of `GET /logs`. The first block is the user's own format, the rest is added. */
export interface RequestRecord {
  readonly timestamp: string;
  readonly request_ip: string;
  readonly endpoint: string;
  readonly method: string;
  readonly request_json: unknown;
  readonly node_id: string | null;
  readonly ip_version: Family | null;
  readonly node_url: string | null;
  readonly status_code: number;
  readonly success: boolean;
  readonly error: string | null;
  readonly duration_ms: number;

  readonly request_id: string;
  readonly model: string | null;
  readonly stream: boolean;
  readonly attempts: readonly AttemptRecord[];
  readonly queued_ms: number;
  readonly first_byte_ms: number | null;
  readonly bytes: number;
  readonly prompt_tokens: number | null;
  readonly completion_tokens: number | null;
}

export interface RequestStart {
  readonly requestId: string;
  readonly clientIp: string;
  readonly endpoint: string;
  readonly method: string;
  readonly model: string | null;
  readonly stream: boolean;
  /** What the client sent; shortened here, and left out altogether under LOG_PROMPTS=0. */
  readonly json: unknown;
  /** Called once, when the request has ended, whatever way it did. */
  readonly onEnd?: () => void;
}

export interface RequestEnd {
  readonly status: number;
  /** Null when it went well; else in words. */
  readonly error: string | null;
}

/** A request under way. Every call after `finish` is ignored. */
export interface OpenRecord {
  attempted(attempt: AttemptRecord): void;
  /** Nodes tried so far. */
  readonly attempts: number;
  /** It entered the waiting room at this place of its model's queue. The first time counts. */
  queuedAt(position: number): void;
  /** That place; null where it did not have to wait. */
  readonly queuePosition: number | null;
  /** Adds to the time spent in the waiting room. */
  waited(ms: number): void;
  /** Milliseconds spent there so far. */
  readonly waitedMs: number;
  firstByte(): void;
  sent(bytes: number): void;
  tokens(prompt: number | null, completion: number | null): void;
  /** Adds to what is said of the request's failure, in the log only. */
  note(words: string): void;
  finish(end: RequestEnd): void;
}

export interface RequestLog {
  begin(start: RequestStart): OpenRecord;
  /** The newest `limit` finished requests, newest first. */
  newest(limit: number): RequestRecord[];
}

export interface RequestLogOptions {
  readonly clock: Clock;
  /** False leaves prompts, messages and images out of the kept request. */
  readonly keepPrompts: boolean;
  /** Called once with every finished request. */
  readonly onFinish: (record: RequestRecord) => void;
}

export function createRequestLog({ clock, keepPrompts, onFinish }: RequestLogOptions): RequestLog {
  const ring: RequestRecord[] = [];
  let next = 0;

  function keep(record: RequestRecord): void {
    ring[next] = record;
    next = (next + 1) % KEPT_REQUESTS;
    onFinish(record);
  }

  return {
    begin({ json: sent, onEnd, ...start }) {
      const startedAt = clock.now();
      const timestamp = clock.wall().toISOString();
      // What was sent is not to be held by the functions below: it may be a hundred megabytes.
      const json = keepPrompts ? shorten(sent) : withoutPrompts(sent);
      const model = start.model === null ? null : keptName(start.model);
      const attempts: AttemptRecord[] = [];
      let [queuedMs, bytes, finished] = [0, 0, false];
      let firstByteMs: number | null = null;
      let queuePosition: number | null = null;
      let notes = "";
      let tokens: { prompt: number | null; completion: number | null } = { prompt: null, completion: null };
      return {
        attempted(attempt) {
          if (!finished) attempts.push(attempt);
        },
        get attempts() {
          return attempts.length;
        },
        queuedAt(position) {
          queuePosition ??= position;
        },
        get queuePosition() {
          return queuePosition;
        },
        waited(ms) {
          queuedMs += ms;
        },
        get waitedMs() {
          return queuedMs;
        },
        firstByte() {
          firstByteMs ??= round(clock.now() - startedAt);
        },
        sent(count) {
          bytes += count;
        },
        tokens(prompt, completion) {
          tokens = { prompt, completion };
        },
        note(words) {
          notes += `; ${words}`;
        },
        finish({ status, error }) {
          if (finished) return;
          finished = true;
          onEnd?.();
          const last = attempts.at(-1);
          keep({
            timestamp,
            request_ip: start.clientIp,
            endpoint: start.endpoint,
            method: start.method,
            request_json: json,
            node_id: last?.node_id ?? null,
            ip_version: last?.ip_version ?? null,
            node_url: last?.node_url ?? null,
            status_code: status,
            success: error === null && status < 400,
            error: error === null ? null : error + notes,
            duration_ms: round(clock.now() - startedAt),
            request_id: start.requestId,
            model,
            stream: start.stream,
            attempts,
            queued_ms: round(queuedMs),
            first_byte_ms: firstByteMs,
            bytes,
            prompt_tokens: tokens.prompt,
            completion_tokens: tokens.completion,
          });
        },
      };
    },
    newest(limit) {
      const found: RequestRecord[] = [];
      for (let back = 1; back <= ring.length && found.length < limit; back++) {
        const record = ring[(next - back + KEPT_REQUESTS) % KEPT_REQUESTS];
        if (record) found.push(record);
      }
      return found;
    },
  };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
