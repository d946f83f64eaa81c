/** The connection of one attempt, with everything that can end it: the client, a loss, the time limits. */
import { type Clock, every } from "../shared/clock.ts";
import { messageOf } from "../shared/errors.ts";
import { failureWords } from "../shared/failure_words.ts";
import { NodeLost, type NodeRecord } from "./fleet/node_record.ts";
import { createIdleLimit } from "./idle_limit.ts";
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

/** Opens the line for sending `job` to `node`; it has to be closed unless an answer is read to its end. */
export function openLine(
  job: Pick<Job, "id" | "signal" | "key" | "stream" | "deadlineAt">,
  node: NodeRecord,
  deps: LineDeps,
): Line {
  const { clock, attemptTimes: times } = deps;
  const abort = new AbortController();
  // The registry replaces the node's signal when it fires.
  const { lost } = node;
  const end = (failure: FailureKind, message: string, status?: number) =>
    abort.abort(new AttemptError(failure, message, status));
  const leave = () => abort.abort(job.signal.reason);
  // Gone before anything was sent: it brought no load about.
  const leftBefore = job.signal.aborted;
  const stopListening = [
    onAbort(job.signal, () => (leftBefore ? leave() : afterLoad(leave))),
    onAbort(lost, () => end(wasRestarted(lost.reason) ? "node_restarted" : "node_lost", messageOf(lost.reason))),
    onAbort(deps.stopping, () => end("hub_stopping", "the hub is shutting down", 503)),
    clock.after(Math.max(0, job.deadlineAt - clock.now()), () => end("deadline", "the request took too long", 504)),
  ];

  /** Ollama throws a load away when the request that began it leaves, and the next one begins at zero: it is let finish. */
  function afterLoad(run: () => void): void {
    // Others that wait for the same load leave without harm to it, and without keeping their slots.
    if (!isLoading(node, job.key) || node.loaders.get(job.key) !== job.id) return run();
    const stop = every(clock, LOAD_LOOK_MS, () => {
      if (isLoading(node, job.key)) return;
      stop();
      run();
    });
    stopListening.push(stop);
  }

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
    abort.abort(NOT_WANTED);
  }

  return {
    signal: abort.signal,
    close,
    read(response) {
      const reader = response.body?.getReader();
      const stall = createIdleLimit(clock, times.idleMs, () =>
        end("stalled", `the answer stopped for ${times.idleMs / 1000} s`, 504),
      );
      stopListening.push(stall.end);
      let first = true;
      function came(): void {
        if (first) cancelLimit();
        first = false;
        stall.pause();
      }
      function took({ value, done }: Bun.ReadableStreamDefaultReadResult<Uint8Array>): Uint8Array | null {
        came();
        deps.onData(node.id);
        if (!done) return value;
        release();
        return null;
      }
      function broke(error: unknown): never {
        came();
        release();
        throw abort.signal.aborted ? abort.signal.reason : error;
      }
      return {
        // Not async, as this is done for every token: each function that awaits costs it another turn.
        read() {
          if (!reader) return Promise.resolve(null);
          if (!first) stall.begin();
          return reader.read().then(took, broke);
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

/** What reading a broken answer threw, as a failure; anything that is none already is a connection that broke. */
export function asAttemptError(error: unknown): AttemptError {
  if (error instanceof AttemptError) return error;
  return new AttemptError("connection_lost", `the connection to the node broke: ${failureWords(error)}`);
}

function wasRestarted(reason: unknown): boolean {
  return reason instanceof NodeLost && reason.restarted;
}
