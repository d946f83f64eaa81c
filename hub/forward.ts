/** One attempt: one request to one node, read as far as it takes to know what it is worth. */
import type { Clock } from "../shared/clock.ts";
import { failureWords } from "../shared/failure_words.ts";
import { headersToPassOn } from "../shared/http_headers.ts";
import { DECLINE_REASONS, type DeclineReason, HEADERS } from "../shared/protocol.ts";
import { type DeliverDeps, deliver, isOwnShortage, type RouteFailure } from "./deliver.ts";
import type { Face, Job } from "./job.ts";
import { parseJson } from "./ndjson.ts";
import { type FailureKind, readAnswer, readErrorLine } from "./policy/failover.ts";
import { NodeLost, type NodeRecord, type Route } from "./registry.ts";

export interface AttemptTimes {
  /** Milliseconds until the first byte of the answer (`NODE_REQUEST_TIMEOUT`). */
  readonly firstByteMs: number;
  /** The same while the node says that it is loading the model. */
  readonly firstByteLoadingMs: number;
  /** Milliseconds until an answer that is not streamed, of which the first byte comes when all is generated. */
  readonly wholeAnswerMs: number;
  /** Milliseconds between two pieces of an answer. */
  readonly idleMs: number;
}

export interface ForwardDeps extends Omit<DeliverDeps, "onRoute"> {
  readonly clock: Clock;
  readonly attemptTimes: AttemptTimes;
  readonly onRoute: (nodeId: string, route: Route, reachable: boolean) => void;
  readonly onData: (nodeId: string) => void;
  /** Aborted when the hub's grace time at shutdown is over. */
  readonly stopping: AbortSignal;
}

/** A whole answer, or one whose first frame is here and whose rest is still to come. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The whole body, or the first frame or frames of a stream. */
  readonly bytes: Uint8Array;
  /** Where the rest of a stream comes from; null when `bytes` is all. */
  readonly rest: ByteSource | null;
  /** The body of a whole JSON answer. */
  readonly json?: unknown;
}

/** Pieces of a body, in order. Closing it tells the other side to stop. */
export interface ByteSource {
  /** The next piece, or null at the end. Rejects when the connection breaks, stalls or the node is lost. */
  read(): Promise<Uint8Array | null>;
  /** Stops the node's work; harmless at any time. */
  close(): void;
}

export type AttemptOutcome =
  | { readonly kind: "answer"; readonly nodeId: string; readonly route: Route; readonly answer: Answer }
  /** Ollama refused the request itself. */
  | { readonly kind: "rejected"; readonly nodeId: string; readonly route: Route; readonly answer: Answer }
  | Failed
  /** The client left. */
  | { readonly kind: "cancelled"; readonly route: Route | null };

export interface Failed {
  readonly kind: "failed";
  readonly nodeId: string;
  readonly failure: FailureKind;
  readonly route: Route | null;
  /** In words, for the log and the client. */
  readonly message: string;
  /** The node's status, or 502, 503, 504 where it gave none. */
  readonly status: number;
  /** The node's own answer, where there was a whole one. */
  readonly answer?: Answer;
  readonly declined?: DeclineReason;
  /** Milliseconds to leave the node alone, where it said so. */
  readonly restMs?: number;
}

/** A failure noticed while an answer was being read. */
export class AttemptError extends Error {
  override readonly name = "AttemptError";
  constructor(
    readonly failure: FailureKind,
    message: string,
    readonly status = 502,
  ) {
    super(message);
  }
}

/** Bytes of a non-streamed answer, or of one frame of a stream, above which something is wrong with the node. */
const LARGEST_ANSWER = 256 * 1024 * 1024;
const LARGEST_FRAME = 16 * 1024 * 1024;
const OPENING_BRACE = 123;

/**
 * Sends `job` to `node` by its `routes` and waits for what decides: the whole answer, or of a stream the first frame.
 * Never throws; nothing is left running on the node unless the outcome is an answer with a rest.
 */
export async function forward(
  job: Job,
  node: NodeRecord,
  routes: readonly Route[],
  deps: ForwardDeps,
): Promise<AttemptOutcome> {
  const line = openLine(job, node, deps);
  const outcome = await attempt(job, node, routes, line, deps);
  if (outcome.kind !== "answer" || outcome.answer.rest === null) line.close();
  return outcome;
}

async function attempt(
  job: Job,
  node: NodeRecord,
  routes: readonly Route[],
  line: Line,
  deps: ForwardDeps,
): Promise<AttemptOutcome> {
  let route: Route | null = null;
  try {
    const headers = { "content-type": "application/json", [HEADERS.requestId]: job.id };
    const delivery = await deliver(
      routes,
      { path: job.path, headers, body: job.body, signal: line.signal },
      { ...deps, onRoute: (dialled, reachable) => deps.onRoute(node.id, dialled, reachable) },
    );
    // Ended while it was dialling: that says nothing about the node's addresses.
    line.signal.throwIfAborted();
    if (delivery.kind === "not_sent") return notSent(node.id, delivery.failures);
    route = delivery.route;
    return await readOutcome(job, { nodeId: node.id, route }, await delivery.response, line);
  } catch (error) {
    if (job.signal.aborted) return { kind: "cancelled", route };
    const { failure, message, status } = asAttemptError(line.signal.aborted ? line.signal.reason : error);
    return { kind: "failed", nodeId: node.id, failure, route, message, status };
  }
}

interface Origin {
  readonly nodeId: string;
  readonly route: Route;
}

async function readOutcome(job: Job, from: Origin, response: Response, line: Line): Promise<AttemptOutcome> {
  const { status } = response;
  const head = { status, headers: headersToPassOn(response.headers) };
  const source = line.read(response);
  if (status !== 200) {
    const answer = { ...head, bytes: await readAll(source), rest: null };
    return readStatus(from, answer, errorText(answer.bytes), declineReason(response.headers));
  }
  // How the answer is labelled decides nothing: what came decides whether it is one.
  const started = job.stream ? await readFirstFrames(source, job.face) : { bytes: await readAll(source), ended: true };
  if (started.ended) return { kind: "answer", ...from, answer: wholeAnswer(job.face, head, started.bytes) };
  const answer = { ...head, bytes: started.bytes, rest: source };
  // Nothing of the stream has gone to the client yet, so an error in its first frames can still be failed over. Before
  // version 0.12.6 that was also how Ollama refused a request: with status 200.
  const early = job.face.framing.readLast(started.bytes);
  if (early.kind !== "error" || readErrorLine(early.message).kind === "rejected")
    return { kind: "answer", ...from, answer };
  const early404 = /not found/.test(early.message);
  const headers = new Headers({ "content-type": "application/json" });
  const refusal = { status: early404 ? 404 : 500, headers, bytes: started.bytes, rest: null };
  return readStatus(from, refusal, early.message, null);
}

function readStatus(from: Origin, answer: Answer, text: string, declined: DeclineReason | null): AttemptOutcome {
  const { kind } = readAnswer(answer.status, text, declined);
  if (kind === "rejected") return { kind, ...from, answer };
  const restMs = retryAfterMs(answer.headers);
  return {
    kind: "failed",
    failure: kind,
    ...from,
    message: text || `the node answered ${answer.status}`,
    status: answer.status,
    answer,
    ...(declined === null ? {} : { declined }),
    ...(restMs === null ? {} : { restMs }),
  };
}

/** The attempt's connection to the node, with everything that can end it: the client, a loss, the time limits. */
interface Line {
  readonly signal: AbortSignal;
  read(response: Response): ByteSource;
  close(): void;
}

function openLine(job: Job, node: NodeRecord, deps: ForwardDeps): Line {
  const { clock, attemptTimes: times } = deps;
  const abort = new AbortController();
  // The registry replaces the node's signal when it fires.
  const { lost } = node;
  const end = (failure: FailureKind, message: string, status?: number) =>
    abort.abort(new AttemptError(failure, message, status));
  const stopListening = [
    onAbort(job.signal, () => abort.abort(job.signal.reason)),
    onAbort(lost, () => end(wasRestarted(lost.reason) ? "node_restarted" : "node_lost", messageOf(lost.reason))),
    onAbort(deps.stopping, () => end("hub_stopping", "the hub is shutting down", 503)),
    clock.after(Math.max(0, job.deadlineAt - clock.now()), () => end("deadline", "the request took too long", 504)),
  ];

  const patienceMs = job.stream ? times.firstByteMs : times.wholeAnswerMs;
  let cancelLimit = clock.after(patienceMs, () => {
    const timeOut = (ms: number) => end("first_byte_timeout", `no answer within ${ms / 1000} s`, 504);
    const more = times.firstByteLoadingMs - patienceMs;
    if (more <= 0 || !node.loading.has(job.key)) return timeOut(patienceMs);
    cancelLimit = clock.after(more, () => timeOut(times.firstByteLoadingMs));
  });

  function release(): void {
    cancelLimit();
    for (const stop of stopListening) stop();
  }
  function close(): void {
    release();
    abort.abort(new Error("not wanted any more"));
  }

  return {
    signal: abort.signal,
    close,
    read(response) {
      const reader = response.body?.getReader();
      let first = true;
      return {
        async read() {
          if (!reader) return null;
          if (!first) {
            const stalled = () => end("stalled", `the answer stopped for ${times.idleMs / 1000} s`, 504);
            cancelLimit = clock.after(times.idleMs, stalled);
          }
          try {
            const { value, done } = await reader.read();
            deps.onData(node.id);
            if (done) release();
            return done ? null : value;
          } catch (error) {
            release();
            throw abort.signal.aborted ? abort.signal.reason : error;
          } finally {
            first = false;
            cancelLimit();
          }
        },
        close,
      };
    },
  };
}

/** Calls `run` when `signal` is aborted, also when it was before. Returns how to stop listening. */
function onAbort(signal: AbortSignal, run: () => void): () => void {
  if (signal.aborted) run();
  else signal.addEventListener("abort", run, { once: true });
  return () => signal.removeEventListener("abort", run);
}

/** Reads until a frame is whole, or to the end of an answer that has none: a load request is answered by one object. */
async function readFirstFrames(source: ByteSource, face: Face): Promise<{ bytes: Uint8Array; ended: boolean }> {
  let bytes = new Uint8Array();
  for (;;) {
    const piece = await source.read();
    if (piece === null) return { bytes, ended: true };
    bytes = append(bytes, piece);
    const end = face.framing.endOfLastFrame(bytes);
    if (end === 0) continue;
    if (face.framing.isFirst(bytes.subarray(0, end))) return { bytes, ended: false };
    throw new AttemptError("protocol_error", "what answers there is no Ollama: the answer does not begin with JSON");
  }
}

async function readAll(source: ByteSource): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (let piece = await source.read(); piece !== null; piece = await source.read()) {
    size += piece.byteLength;
    if (size > LARGEST_ANSWER) throw new AttemptError("protocol_error", "the answer is larger than 256 MB");
    pieces.push(piece);
  }
  return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
}

/** A whole answer with status 200. Throws when it is cut, or none at all. */
function wholeAnswer(face: Face, head: Pick<Answer, "status" | "headers">, bytes: Uint8Array): Answer {
  const json = parseJson(new TextDecoder().decode(bytes));
  if (face.isAnswer(json)) return { ...head, bytes, rest: null, json };
  // A node that ends its answer politely half way leaves HTTP whole and the JSON cut.
  if (json === undefined && (bytes.length === 0 || bytes[0] === OPENING_BRACE)) {
    throw new AttemptError("truncated", "the answer is not whole JSON");
  }
  throw new AttemptError("protocol_error", "what answers there is no Ollama: the answer is none of its objects");
}

/** `bytes` with `piece` behind it. Throws when what should be one frame grows beyond all sense. */
export function append(bytes: Uint8Array, piece: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = bytes.byteLength + piece.byteLength;
  if (size > LARGEST_FRAME) throw new AttemptError("protocol_error", "a line of the answer is longer than 16 MB");
  const joined = new Uint8Array(size);
  joined.set(bytes);
  joined.set(piece, bytes.byteLength);
  return joined;
}

function notSent(nodeId: string, failures: readonly RouteFailure[]): Failed {
  if (failures.some(({ error }) => isOwnShortage(error))) {
    const message = "the hub has no file descriptors left; raise its limit (ulimit -n)";
    return { kind: "failed", nodeId, failure: "hub_exhausted", route: null, message, status: 503 };
  }
  const last = failures.at(-1);
  const message = failures
    .map(({ route, error }) => `${route.family} ${route.origin}: ${failureWords(error)}`)
    .join("; ");
  return { kind: "failed", nodeId, failure: "unreachable", route: last?.route ?? null, message, status: 503 };
}

/** What reading a broken answer threw, as a failure; anything that is none already is a connection that broke. */
export function asAttemptError(error: unknown): AttemptError {
  if (error instanceof AttemptError) return error;
  return new AttemptError("connection_lost", `the connection to the node broke: ${failureWords(error)}`);
}

function wasRestarted(reason: unknown): boolean {
  return reason instanceof NodeLost && reason.restarted;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function declineReason(headers: Headers): DeclineReason | null {
  const value = headers.get(HEADERS.declined);
  return DECLINE_REASONS.find((reason) => reason === value) ?? null;
}

function retryAfterMs(headers: Headers): number | null {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  // "At once" would have one request ask a busy node thousands of times a second.
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 1), 60) * 1000 : null;
}

/** The error text of a JSON body in any of the shapes met here, else the start of the body itself. */
function errorText(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 64 * 1024));
  const body = parseJson(text);
  if (typeof body !== "object" || body === null) return text.slice(0, 1000);
  const error = "error" in body ? body.error : "detail" in body ? body.detail : undefined;
  if (typeof error === "string") return error;
  if (typeof error === "object" && error !== null && "message" in error) return String(error.message);
  return text.slice(0, 1000);
}
