/** The connection of one attempt, with everything that can end it: the client, a loss, the time limits. */
import { type Clock, every } from "../shared/clock.ts";
import { messageOf } from "../shared/errors.ts";
import { failureWords } from "../shared/failure_words.ts";
import { NodeLost, type NodeRecord } from "./fleet/node_record.ts";
import { createIdleLimit, type IdleLimit } from "./idle_limit.ts";
import type { Job } from "./job.ts";
import { isLoading } from "./policy/eligibility.ts";
import type { FailureKind } from "./policy/failover.ts";

/** Milliseconds between two looks whether a load that nobody waits for any more is over. */
const LOAD_LOOK_MS = 250;

/** Made once: the trace of an error takes longer to write down than an answer to end. */
const NOT_WANTED = new Error("not wanted any more");

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

export interface LineDeps {
  readonly clock: Clock;
  readonly attemptTimes: AttemptTimes;
  readonly onData: (nodeId: string) => void;
  /** Aborted when the hub's grace time at shutdown is over. */
  readonly stopping: AbortSignal;
}

/** Pieces of a body, in order. Closing it tells the other side to stop. */
export interface ByteSource {
  /** The next piece, or null at the end. Rejects when the connection breaks, stalls or the node is lost. */
  read(): Promise<Uint8Array | null>;
  /** Stops the node's work; harmless at any time. */
  close(): void;
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

export interface Line {
  /** Aborted with an AttemptError, or with the client's own reason. */
  readonly signal: AbortSignal;
  read(response: Response): ByteSource;
  close(): void;
}

/** What of a request its line goes by. */
type Sent = Pick<Job, "id" | "signal" | "key" | "stream" | "deadlineAt">;

/** Opens the line for sending `job` to `node`; it has to be closed unless an answer is read to its end. */
export function openLine(job: Sent, node: NodeRecord, deps: LineDeps): Line {
  return new OpenLine(job, node, deps);
}

/** A class, which listens to its signals itself: thousands are open at a time, and closures would be most of each. */
class OpenLine implements Line, EventListenerObject {
  readonly signal: AbortSignal;
  private readonly abort = new AbortController();
  /** The registry replaces the node's signal when it fires. */
  private readonly lost: AbortSignal;
  /** The client was gone before anything was sent: it brought no load about. */
  private readonly leftBefore: boolean;
  private readonly patienceMs: number;
  private readonly cancelDeadline: () => void;
  private cancelFirstByte: (() => void) | null;
  private stopLooking: (() => void) | null = null;
  private source: AnswerSource | null = null;

  constructor(
    private readonly job: Sent,
    readonly node: NodeRecord,
    readonly deps: LineDeps,
  ) {
    const { clock, attemptTimes: times } = deps;
    this.signal = this.abort.signal;
    this.lost = node.lost;
    this.leftBefore = job.signal.aborted;
    for (const signal of [job.signal, this.lost, deps.stopping]) {
      if (signal.aborted) this.aborted(signal);
      else signal.addEventListener("abort", this, { once: true });
    }
    this.cancelDeadline = clock.after(Math.max(0, job.deadlineAt - clock.now()), () =>
      this.end("deadline", "the request took too long", 504),
    );
    this.patienceMs = job.stream ? times.firstByteMs : times.wholeAnswerMs;
    this.cancelFirstByte = clock.after(this.patienceMs, () => this.patienceIsOver());
  }

  handleEvent({ target }: Event): void {
    if (target instanceof AbortSignal) this.aborted(target);
  }

  /** One of the three signals is. */
  private aborted(signal: AbortSignal): void {
    if (signal === this.job.signal) return this.leftBefore ? this.leave() : this.leaveAfterLoad();
    if (signal !== this.lost) return this.end("hub_stopping", "the hub is shutting down", 503);
    this.end(wasRestarted(signal.reason) ? "node_restarted" : "node_lost", messageOf(signal.reason));
  }

  end(failure: FailureKind, message: string, status?: number): void {
    this.abort.abort(new AttemptError(failure, message, status));
  }

  private leave(): void {
    this.abort.abort(this.job.signal.reason);
  }

  /** Ollama throws a load away when the request that began it leaves, and the next one begins at zero: it is let finish. */
  private leaveAfterLoad(): void {
    const { job, node, deps } = this;
    // Others that wait for the same load leave without harm to it, and without keeping their slots.
    if (!isLoading(node, job.key) || node.loaders.get(job.key) !== job.id) return this.leave();
    this.stopLooking = every(deps.clock, LOAD_LOOK_MS, () => {
      if (isLoading(node, job.key)) return;
      this.stopLooking?.();
      this.leave();
    });
  }

  private patienceIsOver(): void {
    const { clock, attemptTimes: times } = this.deps;
    const timeOut = (ms: number) => this.end("first_byte_timeout", `no answer within ${ms / 1000} s`, 504);
    const more = times.firstByteLoadingMs - this.patienceMs;
    if (more <= 0 || !this.node.loading.has(this.job.key)) return timeOut(this.patienceMs);
    this.cancelFirstByte = clock.after(more, () => timeOut(times.firstByteLoadingMs));
  }

  /** The first byte is here. */
  began(): void {
    this.cancelFirstByte?.();
    this.cancelFirstByte = null;
  }

  /** From now on nothing ends it any more. */
  release(): void {
    this.began();
    for (const signal of [this.job.signal, this.lost, this.deps.stopping]) signal.removeEventListener("abort", this);
    this.cancelDeadline();
    this.stopLooking?.();
    this.source?.stall.end();
  }

  close(): void {
    this.release();
    this.abort.abort(NOT_WANTED);
  }

  read(response: Response): ByteSource {
    this.source = new AnswerSource(this, response);
    return this.source;
  }
}

/** An answer as it comes on `line`. */
class AnswerSource implements ByteSource {
  readonly stall: IdleLimit;
  private readonly reader: { read(): Promise<Bun.ReadableStreamDefaultReadResult<Uint8Array>> } | undefined;
  private first = true;

  constructor(
    private readonly line: OpenLine,
    response: Response,
  ) {
    const { clock, attemptTimes: times } = line.deps;
    this.reader = response.body?.getReader();
    this.stall = createIdleLimit(clock, times.idleMs, () =>
      line.end("stalled", `the answer stopped for ${times.idleMs / 1000} s`, 504),
    );
  }

  // Not async, as this is done for every token: each function that awaits costs it another turn.
  read(): Promise<Uint8Array | null> {
    if (!this.reader) return Promise.resolve(null);
    if (!this.first) this.stall.begin();
    return this.reader.read().then(this.took, this.broke);
  }

  close(): void {
    this.line.close();
  }

  private came(): void {
    if (this.first) this.line.began();
    this.first = false;
    this.stall.pause();
  }

  // These two are bound once, and not for every token.
  private readonly took = ({ value, done }: Bun.ReadableStreamDefaultReadResult<Uint8Array>): Uint8Array | null => {
    this.came();
    this.line.deps.onData(this.line.node.id);
    if (!done) return value;
    this.line.release();
    return null;
  };

  private readonly broke = (error: unknown): never => {
    this.came();
    this.line.release();
    throw this.line.signal.aborted ? this.line.signal.reason : error;
  };
}

/** What reading a broken answer threw, as a failure; anything that is none already is a connection that broke. */
export function asAttemptError(error: unknown): AttemptError {
  if (error instanceof AttemptError) return error;
  return new AttemptError("connection_lost", `the connection to the node broke: ${failureWords(error)}`);
}

function wasRestarted(reason: unknown): boolean {
  return reason instanceof NodeLost && reason.restarted;
}
