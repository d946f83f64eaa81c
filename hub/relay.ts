/** The commit: from here on the client sees one node's answer, whole, or cut with an error frame that says so. */
import type { Clock } from "../shared/clock.ts";
import { createIdleLimit } from "./idle_limit.ts";
import type { Job, StreamEnd } from "./job.ts";
import { AttemptError, asAttemptError, type ByteSource } from "./line.ts";
import { type Answer, append } from "./read_answer.ts";

/** Pieces of a stream kept until its end: the token counts of OpenAI's and Anthropic's streams come before the last event. */
const TAIL_PIECES = 4;
const NOTHING = new Uint8Array();

export interface RelayDeps {
  readonly clock: Clock;
  /** Milliseconds for which a client may take nothing before it is cut off. */
  readonly slowReaderMs: number;
}

/** How a committed answer ended. */
export type RelayEnd =
  | { readonly kind: "whole"; readonly end: StreamEnd | null }
  /** The node failed; the client got an error frame. */
  | { readonly kind: "cut"; readonly error: AttemptError }
  | { readonly kind: "client left"; readonly why: string };

/**
 * The client's response for `answer`. `onEnd` is called exactly once, when the last byte was handed over or nobody wants
 * more. Only whole frames are passed on, so that what follows a broken one can be read.
 */
export function relay(
  job: Job,
  answer: Answer,
  headers: Headers,
  deps: RelayDeps,
  onEnd: (end: RelayEnd) => void,
): Response {
  for (const [name, value] of answer.headers) headers.set(name, value);
  if (answer.rest === null) {
    job.record.sent(answer.bytes.byteLength);
    onEnd({ kind: "whole", end: answer.json === undefined ? null : job.face.framing.readWhole(answer.json) });
    return new Response(Buffer.from(answer.bytes), { status: answer.status, headers });
  }
  const body = relayStream(job, answer.bytes, answer.rest, deps, onEnd);
  return new Response(body, { status: answer.status, headers });
}

function relayStream(
  job: Job,
  firstFrames: Uint8Array,
  rest: ByteSource,
  deps: RelayDeps,
  onEnd: (end: RelayEnd) => void,
): ReadableStream<Uint8Array> {
  const { framing } = job.face;
  const firstEnd = framing.endOfLastFrame(firstFrames);
  /** Bytes of a frame whose end has not come yet. */
  let partial = firstFrames.subarray(firstEnd);
  /** The last pieces that went to the client, which tell at the end whether the answer was whole. */
  const tail: Uint8Array[] = [];
  let pending: Uint8Array | null = firstFrames.subarray(0, firstEnd);
  let ended = false;
  const slowReader = createIdleLimit(deps.clock, deps.slowReaderMs, cutOff);

  function finish(end: RelayEnd): void {
    if (ended) return;
    ended = true;
    slowReader.end();
    onEnd(end);
  }
  function cutOff(): void {
    rest.close();
    // Without it an error leaves the connection open as long as the client does not take what is in it.
    job.hangUp();
    stop();
    finish({ kind: "client left", why: `it took nothing for ${deps.slowReaderMs / 1000} s` });
  }

  const readTail = () => framing.readLast(Buffer.concat(tail));

  /** The frames that `piece` completes; the rest of it is kept for the next one. */
  function framesWith(piece: Uint8Array): Uint8Array {
    const bytes = partial.byteLength === 0 ? piece : append(partial, piece);
    const end = framing.endOfLastFrame(bytes);
    const isWhole = end === bytes.byteLength;
    partial = isWhole ? NOTHING : bytes.subarray(end);
    return isWhole ? bytes : bytes.subarray(0, end);
  }

  let stop = () => {};
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        stop = () => controller.error(new Error("the client took nothing for too long"));
      },
      async pull(controller) {
        slowReader.pause();
        try {
          let frames = pending;
          pending = null;
          // Here and not in a function of its own: another one that awaits costs every token another turn.
          while (frames === null || frames.byteLength === 0) {
            const piece = await rest.read();
            if (piece === null) return finishAtEnd(controller);
            frames = framesWith(piece);
          }
          tail.push(frames);
          if (tail.length > TAIL_PIECES) tail.shift();
          job.record.sent(frames.byteLength);
          controller.enqueue(frames);
          slowReader.begin();
        } catch (error) {
          if (ended) return;
          if (job.signal.aborted) return finish({ kind: "client left", why: "it closed the connection" });
          // Everything had arrived before the connection broke: the client has a whole answer.
          if (partial.byteLength === 0 && readTail().kind === "done") return finishAtEnd(controller);
          cut(controller, asAttemptError(error));
        }
      },
      cancel() {
        rest.close();
        finish({ kind: "client left", why: "it closed the connection" });
      },
    },
    { highWaterMark: 0 },
  );

  /** The node's answer is over; whether it was whole, its last frame tells. */
  function finishAtEnd(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const unterminated = framing.readLast(partial);
    const end = unterminated.kind === "unfinished" ? readTail() : framing.readLast(Buffer.concat([...tail, partial]));
    if (end.kind === "unfinished") {
      return cut(controller, new AttemptError("truncated", "the answer ended before it was complete"));
    }
    if (partial.byteLength > 0 && unterminated.kind !== "unfinished") {
      job.record.sent(partial.byteLength);
      controller.enqueue(partial);
    }
    controller.close();
    finish({ kind: "whole", end });
  }

  function cut(controller: ReadableStreamDefaultController<Uint8Array>, error: AttemptError): void {
    rest.close();
    controller.enqueue(job.face.errorFrame(error.message));
    controller.close();
    finish({ kind: "cut", error });
  }
}
