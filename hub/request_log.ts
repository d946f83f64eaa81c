/** The last 1000 requests, each with its whole story: who asked, what was tried where, how it ended. */
import type { Family } from "../shared/address.ts";
import type { Clock } from "../shared/clock.ts";

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
  /** Adds to the time spent in the waiting room. */
  waited(ms: number): void;
  /** Milliseconds spent there so far. */
  readonly waitedMs: number;
  firstByte(): void;
  sent(bytes: number): void;
  tokens(prompt: number | null, completion: number | null): void;
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
    begin(start) {
      const startedAt = clock.now();
      const timestamp = clock.wall().toISOString();
      const json = keepPrompts ? shorten(start.json) : withoutPrompts(start.json);
      const model = start.model === null ? null : cutText({ left: LONGEST_NAME }, start.model);
      const attempts: AttemptRecord[] = [];
      let [queuedMs, bytes, finished] = [0, 0, false];
      let firstByteMs: number | null = null;
      let tokens: { prompt: number | null; completion: number | null } = { prompt: null, completion: null };
      return {
        attempted(attempt) {
          if (!finished) attempts.push(attempt);
        },
        get attempts() {
          return attempts.length;
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
        finish({ status, error }) {
          if (finished) return;
          finished = true;
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
            error,
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

/** Characters of one text, and of all texts of one request: a thousand requests with images must not fill the memory. */
const LONGEST_TEXT = 4_000;
/** Characters of a model's name; longer ones are none. */
const LONGEST_NAME = 512;
const LARGEST_REQUEST = 16_000;
const LONGEST_LIST = 50;
const DEEPEST = 6;

/** Characters that may still be kept of one request. */
interface Budget {
  left: number;
}

/** A copy of `value` with long texts and lists cut, each cut said in words. */
export function shorten(value: unknown): unknown {
  return shortenWithin({ left: LARGEST_REQUEST }, value, 0);
}

function shortenWithin(budget: Budget, value: unknown, depth: number): unknown {
  if (typeof value === "string") return cutText(budget, value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEEPEST) return "… (deeper than the log keeps)";
  if (Array.isArray(value)) {
    const kept = value.slice(0, LONGEST_LIST).map((entry) => shortenWithin(budget, entry, depth + 1));
    if (value.length > LONGEST_LIST) kept.push(`… (${value.length - LONGEST_LIST} more)`);
    return kept;
  }
  return keepFields(budget, value, (_, entry) => shortenWithin(budget, entry, depth + 1));
}

/** A copy of an object with the first fields only, their names cut like any text, each value as `keep` has it. */
function keepFields(budget: Budget, value: object, keep: (key: string, entry: unknown) => unknown): unknown {
  const entries = Object.entries(value);
  const kept = entries.slice(0, LONGEST_LIST).map(([key, entry]) => [cutText(budget, key), keep(key, entry)]);
  if (entries.length > LONGEST_LIST) kept.push(["…", `${entries.length - LONGEST_LIST} more`]);
  return Object.fromEntries(kept);
}

function cutText(budget: Budget, text: string): string {
  const length = Math.min(text.length, LONGEST_TEXT, budget.left);
  budget.left -= length;
  if (length === text.length) return text;
  // Through bytes, so that it is a copy: a slice would keep the whole text alive, 100 MB of pictures perhaps.
  const kept = Buffer.from(text.slice(0, length)).toString();
  return `${kept}… (${text.length - length} more characters)`;
}

/** Fields that hold no text of a person's. Everything else is left out under LOG_PROMPTS=0, also what comes later. */
const HARMLESS = new Set(["model", "stream", "keep_alive", "raw", "think", "truncate", "shift"]);
const NOT_LOGGED = "(not logged)";

function withoutPrompts(json: unknown): unknown {
  if (typeof json !== "object" || json === null) return null;
  const budget = { left: LARGEST_REQUEST };
  return keepFields(budget, json, (key, value) => {
    if (key === "options") return withoutTexts(budget, value);
    return HARMLESS.has(key) ? shortenWithin(budget, value, 1) : NOT_LOGGED;
  });
}

/** Options are numbers and switches; stop sequences and the like are texts. */
function withoutTexts(budget: Budget, options: unknown): unknown {
  if (typeof options !== "object" || options === null) return NOT_LOGGED;
  return keepFields(budget, options, (_, value) =>
    typeof value === "number" || typeof value === "boolean" || value === null ? value : NOT_LOGGED,
  );
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
