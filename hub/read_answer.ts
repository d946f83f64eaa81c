/** What a node's HTTP response is worth: an answer, whole or begun, or a failure with its kind. */
import { parseJsonBytes } from "../shared/json.ts";
import { ANY_MODEL } from "../shared/model_name.ts";
import { DECLINE_REASONS, type DeclineReason, HEADERS } from "../shared/protocol.ts";
import { isStatus, noStatus, withoutWords, wordsIn } from "./error_words.ts";
import { errorIn } from "./faces/answer_body.ts";
import type { Route } from "./fleet/node_record.ts";
import type { AttemptOutcome } from "./forward.ts";
import type { Face, Job, StreamEnd } from "./job.ts";
import { AttemptError, type ByteSource, type Line } from "./line.ts";
import { headersFromNode } from "./node_headers.ts";
import { readAnswer, readErrorLine } from "./policy/failover.ts";
import { skimJson } from "./skim_json.ts";

/** A whole answer, or one whose first frame is here and whose rest is still to come. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The whole body, or the first frame or frames of a stream. */
  readonly bytes: Uint8Array;
  /** Where the rest of a stream comes from; null when `bytes` is all. */
  readonly rest: ByteSource | null;
  /** It has a token, or the first frames of a stream have: an empty prompt is answered at once, and brings none. */
  readonly hasToken?: boolean;
  /** Of a whole answer: milliseconds for which its tokens were written; null where it does not tell. */
  readonly writingMs?: number | null;
  /** The body of a whole JSON answer. */
  readonly json?: unknown;
}

/** Bytes of a non-streamed answer, or of one frame of a stream, above which something is wrong with the node. */
const LARGEST_ANSWER = 256 * 1024 * 1024;
const LARGEST_FRAME = 16 * 1024 * 1024;
/** Bytes of an answer above which only what decides about it is read. */
const SMALL_ANSWER = 1024 * 1024;
const OPENING_BRACE = 123;

interface Origin {
  readonly nodeId: string;
  readonly route: Route;
}

/** Reads `response` as far as it takes: to its end, or of a stream to its first frame. Rejects with an AttemptError. */
export async function readAnswerOf(job: Job, from: Origin, response: Response, line: Line): Promise<AttemptOutcome> {
  const { status } = response;
  const head = { status, headers: headersFromNode(response.headers) };
  const source = line.read(response);
  if (!isStatus(status)) throw new AttemptError("protocol_error", noStatus(status));
  if (status !== 200) {
    const answer = { ...head, bytes: await readAll(source), rest: null };
    const text = wordsIn(answer.bytes);
    const outcome = readStatus(job, from, answer, text, declineReason(response.headers));
    return response.headers.has(HEADERS.agentError) ? withoutAnswer(outcome) : outcome;
  }
  // How the answer is labelled decides nothing: what came decides whether it is one.
  const started = job.stream ? await readFirstFrames(source, job.face) : { bytes: await readAll(source), ended: true };
  if (started.ended) {
    const whole = wholeAnswer(job, head, started.bytes);
    const end = job.face.framing.readWhole(whole.json);
    if (end.kind !== "error") return { kind: "answer", ...from, answer: { ...whole, ...firstTokenOf(end) } };
    return readStatus(job, from, asStatus(job, end.message), end.message, null);
  }
  // Nothing of the stream has gone to the client yet, so an error in its first frames can still be failed over. Before
  // version 0.12.6 that was also how Ollama refused a request: with status 200.
  const early = job.face.framing.readLast(started.bytes);
  const hasToken = early.kind === "unfinished" || firstTokenOf(early).hasToken === true;
  const answer = { ...head, bytes: started.bytes, rest: source, hasToken };
  if (early.kind !== "error" || readErrorLine(early.message).kind === "rejected")
    return { kind: "answer", ...from, answer };
  return readStatus(job, from, asStatus(job, early.message), early.message, null);
}

/** What a whole answer that ended so tells of its first token. */
function firstTokenOf(end: StreamEnd): Pick<Answer, "hasToken" | "writingMs"> {
  if (end.kind !== "done") return { hasToken: false, writingMs: null };
  return { hasToken: (end.completionTokens ?? 0) > 0, writingMs: end.writingMs ?? null };
}

/** What the agent said instead of its Ollama is for the hub: a client gets it in the words and shape of its route. */
function withoutAnswer(outcome: AttemptOutcome): AttemptOutcome {
  if (outcome.kind === "failed") return { ...outcome, answer: undefined };
  if (outcome.kind !== "rejected") return outcome;
  const { nodeId, route, answer } = outcome;
  const message = wordsIn(answer.bytes) ?? withoutWords(answer.status);
  return { kind: "failed", failure: "declined", nodeId, route, message, status: answer.status };
}

/** An error out of a stream's first frames, as a newer Ollama would have answered it instead of the stream. */
function asStatus(job: Job, message: string): Answer {
  const status = /not found/.test(message) ? 404 : 500;
  const { text } = job.face.refuse(job, { kind: "not_passed", status, message });
  return { status, headers: new Headers({ "content-type": "application/json" }), bytes: Buffer.from(text), rest: null };
}

function readStatus(
  job: Job,
  from: Origin,
  answer: Answer,
  words: string | null,
  declined: DeclineReason | null,
): AttemptOutcome {
  // Whoever stands before a node's Ollama and refuses in other words would get all the work, being so quick.
  const foreign = answer.status < 500 && declined === null && errorIn(parseJsonBytes(answer.bytes)) === null;
  const read = readAnswer(answer.status, words ?? "", declined);
  const kind = foreign && read.kind === "rejected" ? "protocol_error" : read.kind;
  // A request that names no model was sent to hear what Ollama says to that, whatever it is.
  const toldWhatIsWrong = kind === "model_missing" && job.key === ANY_MODEL;
  if (kind === "rejected" || toldWhatIsWrong) return { kind: "rejected", ...from, answer };
  const restMs = retryAfterMs(answer.headers);
  return {
    kind: "failed",
    failure: kind,
    ...from,
    message: words || withoutWords(answer.status),
    status: answer.status,
    // What is no Ollama's is not handed on.
    answer: words === null ? undefined : answer,
    ...(declined === null ? {} : { declined }),
    ...(restMs === null ? {} : { restMs }),
  };
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
    throw new AttemptError(
      "protocol_error",
      "what answers there is no Ollama: the answer does not begin as one of its streams",
    );
  }
}

/** Everything `source` gives. Rejects with an AttemptError when that is more than `limit` bytes. */
export async function readAll(source: Pick<ByteSource, "read">, limit = LARGEST_ANSWER): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (let piece = await source.read(); piece !== null; piece = await source.read()) {
    size += piece.byteLength;
    if (size > limit) throw new AttemptError("protocol_error", `the answer is larger than ${limit} bytes`);
    pieces.push(piece);
  }
  return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
}

/** A whole answer with status 200. Throws when it is cut, or none at all. */
function wholeAnswer({ face, stream }: Job, head: Pick<Answer, "status" | "headers">, bytes: Uint8Array): Answer {
  const json = bytes.byteLength <= SMALL_ANSWER ? parseJsonBytes(bytes) : skimJson(bytes);
  const contentType = head.headers.get("content-type")?.toLowerCase() ?? "";
  if (face.isAnswer(json, contentType)) {
    // One object where a stream was asked for is the answer to a load request, unless it says that more should follow.
    if (stream && face.framing.readWhole(json).kind === "unfinished") {
      throw new AttemptError("truncated", "the answer ended before it was complete");
    }
    return { ...head, bytes, rest: null, json };
  }
  // A node that ends its answer politely half way leaves HTTP whole and the JSON cut.
  const begun = bytes.length === 0 || bytes[0] === OPENING_BRACE || (stream && face.framing.isFirst(bytes));
  if (json === undefined && begun) {
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

/** Why a node handed a request back without having asked its Ollama; null where it did ask. */
export function declineReason(headers: Headers): DeclineReason | null {
  const value = headers.get(HEADERS.declined);
  return DECLINE_REASONS.find((reason) => reason === value) ?? null;
}

function retryAfterMs(headers: Headers): number | null {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  // "At once" would have one request ask a busy node thousands of times a second.
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 1), 60) * 1000 : null;
}
