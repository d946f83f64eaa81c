/** The commit: from here on the client sees one node's answer, whole, or cut with an error frame that says so. */
import type { Clock } from "../shared/clock.ts";
import { createIdleLimit, type IdleLimit } from "./idle_limit.ts";
import type { Framing, Job, StreamEnd } from "./job.ts";
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
  const source = new Relayed(job, answer.bytes, answer.rest, deps, onEnd);
  return new Response(new ReadableStream(source, { highWaterMark: 0 }), { status: answer.status, headers });
}

/** The source of a client's stream. A class: thousands are open at a time, and closures would be most of each. */
class Relayed {
  /** Bytes of a frame whose end has not come yet. */
  private partial: Uint8Array;
  /** The last pieces that went to the client, which tell at the end whether the answer was whole. */
  private readonly tail: Uint8Array[] = [];
  private pending: Uint8Array | null;
  private ended = false;
  private controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  private readonly framing: Framing;
  private readonly slowReader: IdleLimit;

  constructor(
    private readonly job: Job,
    firstFrames: Uint8Array,
    private readonly rest: ByteSource,
    private readonly deps: RelayDeps,
    private readonly onEnd: (end: RelayEnd) => void,
  ) {
    this.framing = job.face.framing;
    const firstEnd = this.framing.endOfLastFrame(firstFrames);
    this.pending = firstFrames.subarray(0, firstEnd);
    this.partial = firstFrames.subarray(firstEnd);
    this.slowReader = createIdleLimit(deps.clock, deps.slowReaderMs, () => this.cutOff());
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.controller = controller;
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.slowReader.pause();
    try {
      let frames = this.pending;
      this.pending = null;
      // Here and not in a function of its own: another one that awaits costs every token another turn.
      while (frames === null || frames.byteLength === 0) {
        const piece = await this.rest.read();
        if (piece === null) return this.finishAtEnd(controller);
        frames = this.framesWith(piece);
      }
      this.tail.push(frames);
      if (this.tail.length > TAIL_PIECES) this.tail.shift();
      this.job.record.sent(frames.byteLength);
      controller.enqueue(frames);
      this.slowReader.begin();
    } catch (error) {
      if (this.ended) return;
      if (this.job.signal.aborted) return this.finish({ kind: "client left", why: "it closed the connection" });
      // Everything had arrived before the connection broke: the client has a whole answer.
      if (this.partial.byteLength === 0 && this.readTail().kind === "done") return this.finishAtEnd(controller);
      this.cut(controller, asAttemptError(error));
    }
  }

  cancel(): void {
    this.rest.close();
    this.finish({ kind: "client left", why: "it closed the connection" });
  }

  private finish(end: RelayEnd): void {
    if (this.ended) return;
    this.ended = true;
    this.slowReader.end();
    this.onEnd(end);
  }

  private cutOff(): void {
    this.rest.close();
    // Without it an error leaves the connection open as long as the client does not take what is in it.
    this.job.hangUp();
    this.controller?.error(new Error("the client took nothing for too long"));
    this.finish({ kind: "client left", why: `it took nothing for ${this.deps.slowReaderMs / 1000} s` });
  }

  private readTail(): StreamEnd {
    return this.framing.readLast(Buffer.concat(this.tail));
  }

  /** The frames that `piece` completes; the rest of it is kept for the next one. */
  private framesWith(piece: Uint8Array): Uint8Array {
    const bytes = this.partial.byteLength === 0 ? piece : append(this.partial, piece);
    const end = this.framing.endOfLastFrame(bytes);
    const isWhole = end === bytes.byteLength;
    this.partial = isWhole ? NOTHING : bytes.subarray(end);
    return isWhole ? bytes : bytes.subarray(0, end);
  }

  /** The node's answer is over; whether it was whole, its last frame tells. */
  private finishAtEnd(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { framing, partial, tail } = this;
    const unterminated = framing.readLast(partial);
    const end =
      unterminated.kind === "unfinished" ? this.readTail() : framing.readLast(Buffer.concat([...tail, partial]));
    if (end.kind === "unfinished") {
      return this.cut(controller, new AttemptError("truncated", "the answer ended before it was complete"));
    }
    if (partial.byteLength > 0 && unterminated.kind !== "unfinished") {
      this.job.record.sent(partial.byteLength);
      controller.enqueue(partial);
    }
    controller.close();
    this.finish({ kind: "whole", end });
  }

  private cut(controller: ReadableStreamDefaultController<Uint8Array>, error: AttemptError): void {
    this.rest.close();
    controller.enqueue(this.job.face.errorFrame(error.message));
    controller.close();
    this.finish({ kind: "cut", error });
  }
}
