/** Progress of a pull, push or create on its way to the client: whole lines only, and an honest last one. */
import type { Clock } from "../../shared/clock.ts";
import { parseJsonBytes } from "../../shared/json.ts";
import { errorIn } from "../faces/answer_body.ts";
import { errorLine } from "../faces/ndjson.ts";
import { AttemptError, asAttemptError } from "../line.ts";
import type { Answered } from "./send.ts";

/** A line of progress: as it came, and what is in it. */
export interface ProgressLine {
  readonly bytes: Uint8Array;
  readonly json: Readonly<Record<string, unknown>>;
}

export type NextLines = () => Promise<ProgressLine[] | null>;

const LINE_FEED = 10;
const SPACE = 32;
/** Bytes of a line; Ollama's have 200. */
const LONGEST_LINE = 1_000_000;
/** Milliseconds for the end of an answer whose last line is here. */
const END_MS = 1_000;

/**
 * Reads what `read` gives as lines: every call resolves with those that came since, at least one, or with null at the
 * end. Rejects with an AttemptError when something comes that no Ollama says, and as `read` does. What breaks off in the
 * middle of a line is never seen.
 */
export function progressLines(read: () => Promise<Uint8Array | null>): NextLines {
  /** The beginning of a line whose end has not come yet. */
  let partial: Uint8Array[] = [];
  let size = 0;
  let wrong: AttemptError | null = null;

  /** The lines in `bytes`, without blank ones: official clients fail on those. Stops at what is none. */
  function split(bytes: Uint8Array): ProgressLine[] {
    const lines: ProgressLine[] = [];
    for (let start = 0; start < bytes.byteLength; ) {
      const feed = bytes.indexOf(LINE_FEED, start);
      const line = bytes.subarray(start, feed < 0 ? bytes.byteLength : feed + 1);
      start += line.byteLength;
      const json = parseJsonBytes(line);
      if (isObject(json)) lines.push({ bytes: line, json });
      else if (line.some((byte) => byte > SPACE)) {
        wrong = strange("a line that is no JSON object");
        break;
      }
    }
    return lines;
  }

  return async () => {
    for (;;) {
      if (wrong !== null) throw wrong;
      const piece = await read();
      if (piece !== null) partial.push(piece);
      size += piece?.byteLength ?? 0;
      if (piece !== null && !piece.includes(LINE_FEED)) {
        if (size > LONGEST_LINE) throw strange("a line without end");
        continue;
      }
      const bytes = Buffer.concat(partial);
      // At the end of the answer a line needs no line feed.
      const end = piece === null ? bytes.byteLength : bytes.lastIndexOf(LINE_FEED) + 1;
      partial = [bytes.subarray(end)];
      size = bytes.byteLength - end;
      const lines = split(bytes.subarray(0, end));
      if (lines.length > 0) return lines;
      if (piece === null && wrong === null) return null;
    }
  };
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function strange(what: string): AttemptError {
  return new AttemptError("protocol_error", `the node's answer is not Ollama's: ${what}`);
}

/** How a stream of progress ended towards the client: null for success, or in words. */
export type ProgressEnd = string | null;

export interface RelayProgress {
  /** Lines that are here already. */
  readonly first: readonly ProgressLine[];
  readonly next: NextLines;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Awaited before the line of success goes out. Must not reject. */
  readonly beforeSuccess: () => Promise<void>;
  /** Called with every piece that goes out. */
  readonly onSent: (bytes: number) => void;
  /** Called once, when it is over. */
  readonly onEnd: (end: ProgressEnd) => void;
}

/**
 * The client's stream: the lines as they come until the first that is an end, success or error. Where none comes, an
 * error line takes its place: a client must never take a cut stream for a success.
 */
export function relayProgress(relay: RelayProgress): ReadableStream<Uint8Array> {
  let lines: ProgressLine[] | null = [...relay.first];
  let over = false;

  function end(how: ProgressEnd): void {
    if (over) return;
    over = true;
    relay.onEnd(how);
  }
  // Heard here too: a stream that nobody has begun to read is never told that its reader has gone.
  const left = () => end(LEFT);
  if (relay.signal.aborted) left();
  relay.signal.addEventListener("abort", left, { once: true });

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const pass = (bytes: Uint8Array) => {
          relay.onSent(bytes.byteLength);
          controller.enqueue(bytes);
        };
        const finish = (bytes: Uint8Array, how: ProgressEnd) => {
          if (over) return;
          pass(bytes);
          controller.close();
          end(how);
        };
        try {
          if (lines?.length === 0) lines = await relay.next();
          if (lines === null) throw new AttemptError("truncated", "the node's answer ended before it was done");
          const last = lines.findIndex(({ json }) => isLast(json));
          const before = last < 0 ? lines : lines.slice(0, last);
          if (before.length > 0) {
            lines = lines.slice(before.length);
            return pass(Buffer.concat(before.map(({ bytes }) => bytes)));
          }
          const [line] = lines;
          if (line === undefined) return;
          const error = errorIn(line.json);
          if (error === null) await relay.beforeSuccess();
          await endOf(relay);
          finish(line.bytes, error);
        } catch (error) {
          if (over || relay.signal.aborted) return left();
          const { message } = asAttemptError(error);
          finish(errorLine(message), message);
        }
      },
      cancel: left,
    },
    { highWaterMark: 0 },
  );
}

/** The end of a stream whose client went away in the middle. */
export const LEFT = "the client left: it closed the connection";

function isLast(json: Readonly<Record<string, unknown>>): boolean {
  return json.status === "success" || errorIn(json) !== null;
}

/** Waits a moment for the end of the answer, so that it is not cut off after its last line. */
async function endOf({ next, clock }: RelayProgress): Promise<void> {
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(END_MS, resolve);
  const toTheEnd = async () => {
    while ((await next()) !== null);
  };
  await Promise.race([enough, toTheEnd().catch(() => {})]);
  cancel();
}

/** Every line of `answer` to `take`, in order. Resolves with null at its end, or with what went wrong, in words. */
export async function readProgress(
  answer: Pick<Answered, "read">,
  take: (line: ProgressLine["json"]) => Promise<void>,
): Promise<string | null> {
  try {
    const next = progressLines(answer.read);
    for (let lines = await next(); lines !== null; lines = await next()) for (const { json } of lines) await take(json);
    return null;
  } catch (error) {
    return asAttemptError(error).message;
  }
}
