/** A request under way: what is written down of it until it ends, and what can be seen of it meanwhile. */
import type { Family } from "../../shared/address.ts";
import type { Clock } from "../../shared/clock.ts";
import { CLIENT_CLOSED_REQUEST } from "../../shared/protocol.ts";
import type { Refusal } from "../job.ts";
import type { AttemptRecord, KeptDecision, OpenRecord, RequestRecord, RequestStart } from "../request_log.ts";
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
export function openRecord({ json: sent, onEnd, bodyBytes = 0, ...start }: RequestStart, deps: OpenRecordDeps) {
  const { clock } = deps;
  const startedAt = clock.now();
  const timestamp = clock.wall().toISOString();
  // What was sent is not to be held by the functions below: it may be a hundred megabytes.
  const json = deps.keepPrompts ? shorten(sent) : withoutPrompts(sent);
  const model = start.model === null ? null : keptName(start.model);
  const attempts: AttemptRecord[] = [];
  const decisions: KeptDecision[] = [];
  let [queuedMs, bytes, pieces, waiting, finished] = [0, 0, 0, false, false];
  let nodeId: string | null = null;
  let sentAt: number | null = null;
  let family: Family | null = null;
  let firstByteMs: number | null = null;
  let queuePosition: number | null = null;
  let refusedFor: Refusal["kind"] | null = null;
  let notes = "";
  /** When each of `attempts` was. */
  const writtenAt: number[] = [];
  let tokens: { prompt: number | null; completion: number | null } = { prompt: null, completion: null };

  /** As the node counted them; else guessed, for who leaves before the count has had the work as well. */
  function tokensUsed(status: number): number {
    const ran = start.generates && sentAt !== null && (status < 400 || status === CLIENT_CLOSED_REQUEST);
    const prompt = ran ? Math.min(Math.ceil(bodyBytes / BYTES_A_TOKEN), MOST_GUESSED) : 0;
    const completion = ran && start.stream ? pieces : 0;
    return (tokens.prompt ?? prompt) + (tokens.completion ?? completion);
  }

  const open: OpenRecord & RunningRequest = {
    requestId: start.requestId,
    timestamp,
    clientIp: start.clientIp,
    endpoint: start.endpoint,
    model,
    stream: start.stream,
    generates: start.generates ?? false,
    startedAt,
    get nodeId() {
      return nodeId;
    },
    get sentAt() {
      return sentAt;
    },
    get family() {
      return family;
    },
    get firstByteMs() {
      return firstByteMs;
    },
    get waiting() {
      return waiting;
    },
    get refusal() {
      return refusedFor;
    },
    get bytes() {
      return bytes;
    },
    get pieces() {
      return pieces;
    },
    decisions,
    decided(decision) {
      if (decisions.length < MOST_DECISIONS) decisions.push({ atMs: round(clock.now() - startedAt), decision });
    },
    sendingTo(id) {
      nodeId = id;
      sentAt = clock.now();
      family = null;
    },
    attempted(attempt) {
      if (finished) return;
      attempts.push(attempt);
      writtenAt.push(clock.now());
      nodeId = attempt.node_id;
      family = attempt.ip_version;
    },
    brokeOff(id, outcome, error) {
      const index = attempts.findLastIndex(({ node_id }) => node_id === id);
      const attempt = attempts[index];
      if (!attempt || finished) return;
      // Written down when its answer began; it lasted until now.
      const sinceMs = clock.now() - (writtenAt[index] ?? clock.now());
      attempts[index] = { ...attempt, outcome, error, duration_ms: round(attempt.duration_ms + sinceMs) };
    },
    get attempts() {
      return attempts.length;
    },
    queuedAt(position) {
      queuePosition ??= position;
      waiting = true;
      nodeId = null;
      family = null;
    },
    get queuePosition() {
      return queuePosition;
    },
    waited(ms) {
      queuedMs += ms;
      waiting = false;
    },
    get waitedMs() {
      return queuedMs;
    },
    firstByte(status = 200) {
      if (firstByteMs !== null || finished) return;
      firstByteMs = round(clock.now() - startedAt);
      if (status < 300) deps.onFirstByte(open);
    },
    sent(count) {
      bytes += count;
      pieces++;
    },
    tokens(prompt, completion) {
      tokens = { prompt: believed(prompt), completion: believed(completion) };
    },
    note(words) {
      notes += `; ${words}`;
    },
    finish({ status, error, refusal = null }) {
      if (finished) return;
      finished = true;
      refusedFor = refusal;
      waiting = false;
      onEnd?.({ tokens: tokensUsed(status) });
      const last = attempts.at(-1);
      deps.onFinish(
        {
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
          key_id: start.key?.id ?? null,
          key_name: start.key?.name ?? null,
        },
        open,
      );
    },
  };
  return open;
}

/** A node's count, or null where it is none. */
function believed(tokens: number | null): number | null {
  return tokens !== null && Number.isInteger(tokens) && tokens >= 0 && tokens <= MOST_TOKENS ? tokens : null;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
