/** A management request that one node answers: what it says passes through untouched. */

import { parseJsonBytes } from "../../shared/json.ts";
import { CLIENT_CLOSED_REQUEST } from "../../shared/protocol.ts";
import { detailIn, withoutWords, wordsIn } from "../error_words.ts";
import { nativeError } from "../faces/native.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import { AttemptError, asAttemptError } from "../line.ts";
import { LEFT, type ProgressLine, progressLines, relayProgress } from "../manage/progress_relay.ts";
import { type Answered, LARGEST_ANSWER, send, type Unanswered } from "../manage/send.ts";
import { readAll } from "../read_answer.ts";
import type { ManageDeps, Visit } from "./visit.ts";

/** What a route makes of an answer. */
export interface Manner {
  /** Whether the answer is lines of progress. */
  readonly stream: boolean;
  /** False for a whole answer with status 200 or 201 that no Ollama gives on this route. */
  readonly isAnswer: (body: Uint8Array) => boolean;
  /** Awaited before the client hears that `node` did it. Must not reject. */
  readonly onDone: (node: NodeRecord) => Promise<void>;
}

/** Ollama answers copy, delete and blobs with a status alone. */
export const isEmpty = (body: Uint8Array) => body.byteLength === 0;
/** Everything else it answers in JSON. */
export const isJson = (body: Uint8Array) => parseJsonBytes(body) !== undefined;

/** Asks the first of `candidates` that can be reached; one whose Ollama may have seen the request is the last. */
export async function askOne(
  visit: Visit,
  candidates: readonly NodeRecord[],
  body: Parameters<typeof send>[2],
  manner: Manner,
  hub: ManageDeps,
): Promise<Response> {
  const failures: Unanswered[] = [];
  for (const node of candidates) {
    visit.record.sendingTo(node.id);
    const sent = await send(visit, node, body, hub);
    if (sent.kind === "answered") {
      return manner.stream && sent.status === 200
        ? passProgress(visit, sent, manner, hub)
        : passWhole(visit, sent, manner);
    }
    failures.push(sent);
    if (!sent.untouched) break;
  }
  if (visit.signal.aborted) return visit.left();
  const words = failures.map(({ node, message }) => `${node.id}: ${message}`).join("; ");
  const asked = failures.slice(-1).map(({ node }) => node);
  return visit.refuse(nativeError(failures.at(-1)?.status ?? 503, words), asked);
}

async function passWhole(visit: Visit, sent: Answered, { isAnswer, onDone }: Manner): Promise<Response> {
  const { node, status, headers } = sent;
  try {
    const body = await readAll(sent, LARGEST_ANSWER);
    if (status >= 400) return passError(visit, sent, body);
    // A login page, say, of something else that answers at the node's address.
    if (status >= 300 || !isAnswer(body)) throw strangeAnswer(status);
    sent.end(null);
    await onDone(node);
    return visit.answer({ status, headers, body: body.byteLength > 0 ? body : null }, [node], null);
  } catch (error) {
    return breakOff(visit, sent, error);
  }
}

function passError(visit: Visit, sent: Answered, body: Uint8Array): Response {
  const { node, status, headers } = sent;
  const words = wordsIn(body);
  sent.end(words ?? withoutWords(status));
  if (words === null && body.byteLength > 0)
    return visit.refuse(nativeError(502, `${node.id}: ${withoutWords(status)}`), [node]);
  // The agent's own words, which are not in Ollama's shape.
  if (detailIn(parseJsonBytes(body)) !== null) return visit.refuse(nativeError(status, `${node.id}: ${words}`), [node]);
  return visit.answer({ status, headers, body: body.byteLength > 0 ? body : null }, [node], words);
}

/** The status goes out with the first line only: what fails before it still gets one of its own. */
async function passProgress(
  visit: Visit,
  sent: Answered,
  { onDone }: Manner,
  { clock }: ManageDeps,
): Promise<Response> {
  const { node } = sent;
  const next = progressLines(sent.read);
  let first: ProgressLine[] | null;
  try {
    first = await next();
    if (first === null) throw new AttemptError("truncated", "the node's answer ended before it began");
  } catch (error) {
    return breakOff(visit, sent, error);
  }
  const stream = relayProgress({
    first,
    next,
    clock,
    signal: visit.signal,
    beforeSuccess: () => onDone(node),
    onSent: (bytes) => visit.record.sent(bytes),
    onEnd(error) {
      sent.end(error);
      visit.close(error === LEFT ? CLIENT_CLOSED_REQUEST : 200, error);
    },
  });
  return visit.stream(stream, sent.headers, [node], visit.record.attempts + 1);
}

function breakOff(visit: Visit, sent: Answered, error: unknown): Response {
  if (visit.signal.aborted) {
    sent.end(LEFT);
    return visit.left();
  }
  const { status, message } = asAttemptError(error);
  sent.end(message);
  return visit.refuse(nativeError(status, `${sent.node.id}: ${message}`), [sent.node]);
}

function strangeAnswer(status: number): AttemptError {
  return new AttemptError("protocol_error", `what answers there is not Ollama (status ${status})`);
}
