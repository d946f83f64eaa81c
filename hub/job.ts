/** A client's request as the request path sees it, whatever face of the hub it came in by. */
import type { ModelKey } from "../shared/model_name.ts";
import type { Continuity } from "./conversations.ts";
import type { Caller } from "./policy/callers.ts";
import type { Needs } from "./policy/eligibility.ts";
import type { OpenRecord } from "./request_log.ts";

export interface Job {
  /** `X-Request-Id`, also the job id in /jobs errors. */
  readonly id: string;
  /** The model as the client wrote it; "" where it named none. */
  readonly model: string;
  /** ANY_MODEL where the request names none that could be: Ollama says best what is wrong with it. */
  readonly key: ModelKey;
  /** Whether the client wants the answer as a stream. */
  readonly stream: boolean;
  /** Path on the node. */
  readonly path: string;
  /** What the client said about its body and itself, for Ollama. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sent to the node as it is, at every attempt the same bytes. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Which nodes may serve it, besides having the model. */
  readonly needs: Needs;
  readonly continuity: Continuity;
  /** Its options that Ollama loads a model with, in one form; "" for none. */
  readonly loadOptions?: string;
  readonly caller: Caller;
  readonly face: Face;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** Closes the client's connection, whatever is still on its way to it. */
  readonly hangUp: () => void;
  /** Monotonic ms after which nobody waits for the answer any more. */
  readonly deadlineAt: number;
  readonly record: OpenRecord;
}

/** Why the hub itself answers instead of a node. */
export type Refusal =
  /** No node lists the model, or one does that may not serve it; `reasons` says of each why not. */
  | { readonly kind: "unknown_model" }
  | { readonly kind: "no_node"; readonly reasons: readonly string[] }
  /** `X-Node-Id` names a node that is not there, or has not got the model. */
  | { readonly kind: "pin_impossible"; readonly message: string }
  | { readonly kind: "all_failed"; readonly failures: readonly NodeFailure[]; readonly timedOut: boolean }
  | { readonly kind: "queue_full"; readonly waiting: number; readonly retryAfterSeconds: number }
  | { readonly kind: "queue_timeout"; readonly waiting: number; readonly retryAfterSeconds: number }
  | { readonly kind: "stopping" }
  /** Its caller takes as much of the waiting room as it may. */
  | { readonly kind: "queue_share"; readonly waiting: number; readonly retryAfterSeconds: number }
  /** The hub itself cannot do more at the moment. */
  | { readonly kind: "exhausted"; readonly message: string }
  /** The hub does not let the request pass: too large, cut, for a cloud service, not allowed here. */
  | { readonly kind: "not_passed"; readonly status: number; readonly message: string };

export interface NodeFailure {
  readonly nodeId: string;
  readonly message: string;
  /** The node's HTTP status, or the one that says best what happened: 502, 503, 504. */
  readonly status: number;
}

/** What of a request a refusal is worded with. */
export interface RefusedRequest {
  readonly id: string;
  /** The model as the client wrote it. */
  readonly model: string;
}

/** An answer of the hub's own, as it goes over the wire. */
export interface HubAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** How one family of routes words its errors and frames its streams. */
export interface Face {
  /** Splits and judges the streamed answer. */
  readonly framing: Framing;
  /**
   * Whether a request that failed everywhere is answered as the last Ollama said it, where all of them said something;
   * else by `refuse`, with what each said.
   */
  readonly passesFailuresOn: boolean;
  /** The answer to a request that no node served. */
  refuse(request: RefusedRequest, refusal: Refusal): HubAnswer;
  /**
   * False when a whole answer with status 200 is none that Ollama gives on this route. `json` is undefined for one that
   * is not JSON; `contentType` is its label in lower case, or "".
   */
  isAnswer(json: unknown, contentType: string): boolean;
  /** A frame that makes the client's library raise instead of taking a cut stream for a whole one. */
  errorFrame(message: string): Uint8Array;
}

/** The frames of a streamed answer: lines of NDJSON, or events. */
export interface Framing {
  /** Index after the last byte of the last whole frame in `bytes`, or 0 when there is none. */
  endOfLastFrame(bytes: Uint8Array): number;
  /** False when `frames`, the first of a stream, are none that Ollama sends: something else answers there. */
  isFirst(frames: Uint8Array): boolean;
  /** What the stream's last frame says about how it ended, and its token counts. Never throws. */
  readLast(frame: Uint8Array): StreamEnd;
  /** The same of an answer that came whole, already parsed. */
  readWhole(json: unknown): StreamEnd;
}

export type StreamEnd =
  | {
      readonly kind: "done";
      readonly promptTokens: number | null;
      readonly completionTokens: number | null;
      /** Milliseconds it waited inside Ollama for a slot; null where the shape does not tell, or it was at a load. */
      readonly slotWaitMs: number | null;
      /** Milliseconds for which its tokens were written, where the shape tells. */
      readonly writingMs?: number;
    }
  /** Ollama itself reported an error in the stream. */
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "unfinished" };
