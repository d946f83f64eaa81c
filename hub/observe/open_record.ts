/** A request under way: what is written down of it until it ends, and what can be seen of it meanwhile. */
import type { Family } from "../../shared/address.ts";
import type { Clock } from "../../shared/clock.ts";
import { CLIENT_CLOSED_REQUEST } from "../../shared/protocol.ts";
import type { Route } from "../fleet/node_record.ts";
import type { Refusal } from "../job.ts";
import type { Decision } from "../policy/decision.ts";
import type {
  AttemptRecord,
  KeptDecision,
  OpenRecord,
  RequestEnd,
  RequestRecord,
  RequestStart,
} from "../request_log.ts";
import { keptName, shorten, withoutPrompts } from "./kept_request.ts";

/** Decisions kept of one request. */
const MOST_DECISIONS = 8;
/** Tokens of one request that are believed: a node may claim any number. */
const MOST_TOKENS = 1e9;
/** What a token takes of a request, about; and the largest guess: a picture is a megabyte, and a thousand tokens. */
const BYTES_A_TOKEN = 4;
const MOST_GUESSED = 16_384;

/** A request that has not ended yet, as it can be looked at while it runs. */
export interface RunningRequest {
  readonly requestId: string;
  readonly timestamp: string;
  readonly clientIp: string;
  readonly endpoint: string;
  readonly model: string | null;
  readonly stream: boolean;
  readonly generates: boolean;
  /** Monotonic ms. */
  readonly startedAt: number;
  readonly decisions: readonly KeptDecision[];
  /** The node it was sent to last; null while it has none. */
  readonly nodeId: string | null;
  /** Monotonic ms at which it was sent there. */
  readonly sentAt: number | null;
  /** How that node was reached; null until something came from it. */
  readonly family: Family | null;
  readonly firstByteMs: number | null;
  readonly queuePosition: number | null;
  /** Whether it is in the waiting room now. */
  readonly waiting: boolean;
  /** Why the hub itself answered it; null before its end, and where a node did. */
  readonly refusal: Refusal["kind"] | null;
  readonly bytes: number;
  /** Pieces that went to the client; of a stream about as many as tokens. */
  readonly pieces: number;
}

export interface OpenRecordDeps {
  readonly clock: Clock;
  readonly keepPrompts: boolean;
  /** Called once, when the first byte of an answer with status 2xx is here. */
  readonly onFirstByte: (request: RunningRequest) => void;
  /** Called once, when it has ended. */
  readonly onFinish: (record: RequestRecord, request: RunningRequest) => void;
}

/** Begins the record of the request that `start` tells of. */
export function openRecord(start: RequestStart, deps: OpenRecordDeps): OpenRecord & RunningRequest {
  // What was sent is not to be held by the record: it may be a hundred megabytes.
  const json = deps.keepPrompts ? shorten(start.json) : withoutPrompts(start.json);
  return new Open({ ...start, json }, deps);
}

/** A class and no closures: thousands are open at a time, and each function of each would be an object of its own. */
class Open implements OpenRecord, RunningRequest {
  readonly requestId: string;
  readonly timestamp: string;
  readonly clientIp: string;
  readonly endpoint: string;
  readonly model: string | null;
  readonly stream: boolean;
  readonly generates: boolean;
  readonly startedAt: number;
  readonly decisions: KeptDecision[] = [];
  nodeId: string | null = null;
  sentAt: number | null = null;
  family: Family | null = null;
  firstByteMs: number | null = null;
  queuePosition: number | null = null;
  waitedMs = 0;
  waiting = false;
  refusal: Refusal["kind"] | null = null;
  bytes = 0;
  pieces = 0;

  private readonly method: string;
  private readonly key: RequestStart["key"];
  private readonly bodyBytes: number;
  private readonly json: unknown;
  private readonly onEnd: RequestStart["onEnd"];
  private readonly deps: OpenRecordDeps;
  private readonly tries: AttemptRecord[] = [];
  /** When each of `tries` was written down. */
  private readonly triedAt: number[] = [];
  private promptTokens: number | null = null;
  private completionTokens: number | null = null;
  private notes = "";
  private finished = false;

  constructor(start: RequestStart, deps: OpenRecordDeps) {
    this.requestId = start.requestId;
    this.timestamp = deps.clock.wall().toISOString();
    this.clientIp = start.clientIp;
    this.endpoint = start.endpoint;
    this.model = start.model === null ? null : keptName(start.model);
    this.stream = start.stream;
    this.generates = start.generates ?? false;
    this.startedAt = deps.clock.now();
    this.method = start.method;
    this.key = start.key;
    this.bodyBytes = start.bodyBytes ?? 0;
    this.json = start.json;
    this.onEnd = start.onEnd;
    this.deps = deps;
  }

  get attempts(): number {
    return this.tries.length;
  }

  decided(decision: Decision<Route>): void {
    if (this.decisions.length >= MOST_DECISIONS) return;
    this.decisions.push({ atMs: round(this.deps.clock.now() - this.startedAt), decision });
  }

  sendingTo(nodeId: string): void {
    this.nodeId = nodeId;
    this.sentAt = this.deps.clock.now();
    this.family = null;
  }

  attempted(attempt: AttemptRecord): void {
    if (this.finished) return;
    this.tries.push(attempt);
    this.triedAt.push(this.deps.clock.now());
    this.nodeId = attempt.node_id;
    this.family = attempt.ip_version;
  }

  brokeOff(nodeId: string, outcome: string, error: string): void {
    const index = this.tries.findLastIndex(({ node_id }) => node_id === nodeId);
    const attempt = this.tries[index];
    if (!attempt || this.finished) return;
    // Written down when its answer began; it lasted until now.
    const now = this.deps.clock.now();
    const sinceMs = now - (this.triedAt[index] ?? now);
    this.tries[index] = { ...attempt, outcome, error, duration_ms: round(attempt.duration_ms + sinceMs) };
  }

  queuedAt(position: number): void {
    this.queuePosition ??= position;
    this.waiting = true;
    this.nodeId = null;
    this.family = null;
  }

  waited(ms: number): void {
    this.waitedMs += ms;
    this.waiting = false;
  }

  firstByte(status = 200): void {
    if (this.firstByteMs !== null || this.finished) return;
    this.firstByteMs = round(this.deps.clock.now() - this.startedAt);
    if (status < 300) this.deps.onFirstByte(this);
  }

  sent(bytes: number): void {
    this.bytes += bytes;
    this.pieces++;
  }

  tokens(prompt: number | null, completion: number | null): void {
    this.promptTokens = believed(prompt);
    this.completionTokens = believed(completion);
  }

  note(words: string): void {
    this.notes += `; ${words}`;
  }

  finish({ status, error, refusal }: RequestEnd): void {
    if (this.finished) return;
    this.finished = true;
    this.refusal = refusal ?? null;
    this.waiting = false;
    this.onEnd?.({ tokens: this.tokensUsed(status) });
    const last = this.tries.at(-1);
    this.deps.onFinish(
      {
        timestamp: this.timestamp,
        request_ip: this.clientIp,
        endpoint: this.endpoint,
        method: this.method,
        request_json: this.json,
        node_id: last?.node_id ?? null,
        ip_version: last?.ip_version ?? null,
        node_url: last?.node_url ?? null,
        status_code: status,
        success: error === null && status < 400,
        error: error === null ? null : error + this.notes,
        duration_ms: round(this.deps.clock.now() - this.startedAt),
        request_id: this.requestId,
        model: this.model,
        stream: this.stream,
        attempts: this.tries,
        queued_ms: round(this.waitedMs),
        first_byte_ms: this.firstByteMs,
        bytes: this.bytes,
        prompt_tokens: this.promptTokens,
        completion_tokens: this.completionTokens,
        key_id: this.key?.id ?? null,
        key_name: this.key?.name ?? null,
      },
      this,
    );
  }

  /** As the node counted them; else guessed, for who leaves before the count has had the work as well. */
  private tokensUsed(status: number): number {
    const ran = this.generates && this.sentAt !== null && (status < 400 || status === CLIENT_CLOSED_REQUEST);
    const prompt = ran ? Math.min(Math.ceil(this.bodyBytes / BYTES_A_TOKEN), MOST_GUESSED) : 0;
    const completion = ran && this.stream ? this.pieces : 0;
    return (this.promptTokens ?? prompt) + (this.completionTokens ?? completion);
  }
}

/** A node's count, or null where it is none. */
function believed(tokens: number | null): number | null {
  return tokens !== null && Number.isInteger(tokens) && tokens >= 0 && tokens <= MOST_TOKENS ? tokens : null;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
