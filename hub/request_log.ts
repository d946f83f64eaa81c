/** The last 1000 requests, each with its whole story: who asked, what was tried where, how it ended. */
import type { Family } from "../shared/address.ts";
import type { Clock } from "../shared/clock.ts";
import { createPeaks } from "./collect_at_peaks.ts";
import type { Route } from "./fleet/node_record.ts";
import type { Refusal } from "./job.ts";
import { type OpenRecordDeps, openRecord, type RunningRequest } from "./observe/open_record.ts";
import type { Caller } from "./policy/callers.ts";
import type { Decision } from "./policy/decision.ts";

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
  /** From sending until the answer began, or the attempt failed or broke off. */
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
  /** The key it was made with; null while the hub was open. */
  readonly key_id: string | null;
  readonly key_name: string | null;
}

export interface RequestStart {
  readonly requestId: string;
  readonly clientIp: string;
  /** The key it was made with; nothing while none is asked for. */
  readonly key?: Caller["key"];
  readonly endpoint: string;
  readonly method: string;
  readonly model: string | null;
  readonly stream: boolean;
  /** True for one that runs a model: the pieces of its stream are about as many as its tokens. */
  readonly generates?: boolean;
  /** Length of the body it came with; what its prompt costs is guessed by it where the node does not count. */
  readonly bodyBytes?: number;
  /** What the client sent; shortened here, and left out altogether under LOG_PROMPTS=0. */
  readonly json: unknown;
  /** Called once, when the request has ended, whatever way it did. */
  readonly onEnd?: (used: Used) => void;
}

/** What a request has cost. */
export interface Used {
  /** Tokens of prompt and answer; where a node's count is missing, guessed by the bytes sent and the pieces received. */
  readonly tokens: number;
}

export interface RequestEnd {
  readonly status: number;
  /** Null when it went well; else in words. */
  readonly error: string | null;
  /** Why the hub itself answered; nothing where a node did. */
  readonly refusal?: Refusal["kind"];
}

/** A request under way. Every call after `finish` is ignored. */
export interface OpenRecord {
  /** It goes to this node now; what comes of it, `attempted` tells. */
  sendingTo(nodeId: string): void;
  attempted(attempt: AttemptRecord): void;
  /** It looked for a node, and this came of it. The first few times are kept. */
  decided(decision: Decision<Route>): void;
  /** The answer of this node, which had begun well, did not end well: `outcome` is the kind of failure. */
  brokeOff(nodeId: string, outcome: string, error: string): void;
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
  /** The first byte of the answer is here, which has this status; 200 unless told otherwise. The first time counts. */
  firstByte(status?: number): void;
  sent(bytes: number): void;
  tokens(prompt: number | null, completion: number | null): void;
  /** Adds to what is said of the request's failure, in the log only. */
  note(words: string): void;
  finish(end: RequestEnd): void;
}

/** What came of one time it looked for a node. */
export interface KeptDecision {
  /** Milliseconds since the request began. */
  readonly atMs: number;
  readonly decision: Decision<Route>;
}

/** A finished request with what `GET /logs` leaves out. */
export interface KeptRequest {
  readonly record: RequestRecord;
  /** What came of each time it looked for a node. */
  readonly decisions: readonly KeptDecision[];
}

export interface RequestLog {
  begin(start: RequestStart): OpenRecord;
  /** The newest `limit` finished requests, newest first. */
  newest(limit: number): RequestRecord[];
  /** The finished request with this id, or null where it is not kept, or has not ended. */
  find(requestId: string): KeptRequest | null;
  /** Requests that have not ended yet, in the order in which they came. */
  running(): ReadonlySet<RunningRequest>;
}

export interface RequestLogOptions {
  readonly clock: Clock;
  /** False leaves prompts, messages and images out of the kept request. */
  readonly keepPrompts: boolean;
  /** Called once with every finished request. */
  readonly onFinish: (record: RequestRecord, request: RunningRequest) => void;
  /** Called once with every request that gets an answer with status 2xx, at its first byte. */
  readonly onFirstByte?: (request: RunningRequest) => void;
}

/** A log in which nothing is written yet. */
export function createRequestLog({ clock, keepPrompts, ...options }: RequestLogOptions): RequestLog {
  const ring: KeptRequest[] = [];
  const running = new Set<RunningRequest>();
  const reached = createPeaks();
  let next = 0;

  function* newestFirst(): Generator<KeptRequest> {
    for (let back = 1; back <= ring.length; back++) {
      const kept = ring[(next - back + KEPT_REQUESTS) % KEPT_REQUESTS];
      if (kept) yield kept;
    }
  }

  const deps: OpenRecordDeps = {
    clock,
    keepPrompts,
    onFirstByte: (request) => options.onFirstByte?.(request),
    onFinish(record, request) {
      running.delete(request);
      ring[next] = { record, decisions: request.decisions };
      next = (next + 1) % KEPT_REQUESTS;
      options.onFinish(record, request);
    },
  };

  return {
    begin(start) {
      const open = openRecord(start, deps);
      running.add(open);
      reached(running.size);
      return open;
    },
    newest: (limit) =>
      newestFirst()
        .take(limit)
        .map(({ record }) => record)
        .toArray(),
    find: (requestId) => newestFirst().find(({ record }) => record.request_id === requestId) ?? null,
    running: () => running,
  };
}
