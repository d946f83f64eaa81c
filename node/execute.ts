/** The node's request path: one POST /execute → the whole body → a slot → the local Ollama → its answer as it comes. */
import type { Clock } from "../shared/clock.ts";
import { failureWords } from "../shared/failure_words.ts";
import { errorCode, neverConnected } from "../shared/fleet_fetch.ts";
import { headersToPassOn } from "../shared/http_headers.ts";
import type { Logger } from "../shared/log.ts";
import { type DeclineReason, HEADERS } from "../shared/protocol.ts";
import { readExecuteBody } from "./execute_body.ts";
import type { OllamaClient } from "./ollama.ts";
import { relayBody } from "./relay.ts";
import type { Slots } from "./slots.ts";

export interface ExecuteDeps {
  readonly ollama: Pick<OllamaClient, "generate">;
  readonly slots: Slots;
  readonly isDraining: () => boolean;
  /** Told when Ollama refused the connection, and when it answered. */
  readonly onRefused: () => void;
  readonly onAnswered: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A request as it reached this node. */
export interface Arrival {
  readonly request: Request;
  readonly requestId: string;
  /** Sets after how many seconds without progress the connection is closed; 0 never. */
  readonly setIdleTimeout: (seconds: number) => void;
}

export type Execute = (arrival: Arrival) => Promise<Response>;

/**
 * Seconds without progress once tokens flow. Far longer than any pause between two tokens, and the only way to notice a
 * hub that vanished from the network: with 0 Bun does not look, and Ollama would go on for ever. At most 255.
 */
const STREAM_IDLE_SECONDS = 240;

/**
 * Seconds without progress afterwards: the tail may wait for a slow reader, and without a finite value the idle
 * connection would stay for good. The hub closes it after 4 s itself.
 */
const CONNECTION_IDLE_SECONDS = 120;

const SENTENCES: Readonly<Record<DeclineReason, string>> = {
  busy: "All slots of this node are taken",
  draining: "This node is shutting down and takes no new work",
  ollama_down: "Ollama is not running on this node",
};

/** Levels of outcomes that are not plain news. A race lost is the normal fate of every second connection of a hub. */
const LEVELS: Readonly<Record<string, "debug" | "warn">> = {
  broken: "warn",
  no_answer: "warn",
  not_delivered: "debug",
};

/** The handler of POST /execute. It answers everything itself and never throws. */
export function createExecute(deps: ExecuteDeps): Execute {
  const { ollama, slots, clock } = deps;

  return async (arrival) => {
    const { request, setIdleTimeout } = arrival;
    const story = beginStory(deps, arrival);

    // The whole body first. A hub that races two addresses sends the body on one connection only and cuts the other:
    // nothing of that one may reach Ollama.
    const bytes = await request.bytes().catch(() => null);
    if (bytes === null) return story.answer(gone(), "not_delivered");
    const read = readExecuteBody(bytes);
    if (!read.ok) return story.answer(problem(400, read.problem), "invalid");
    const { model, jobId, forOllama } = read.body;
    story.tell({ model, job_id: jobId });
    if (deps.isDraining()) return story.answer(decline("draining"), "draining");

    // Queueing and loading a model take minutes without a byte; Bun would cut the connection.
    setIdleTimeout(0);
    const slot = await slots.take(model, request.signal);
    if (slot === null) return request.signal.aborted ? story.left() : story.answer(decline("busy"), "busy");

    try {
      const answer = await ollama.generate(forOllama, arrival.requestId, request.signal);
      deps.onAnswered();
      const status = { status: answer.status, headers: headersToPassOn(answer.headers) };
      if (answer.body === null) {
        slot.release();
        return story.answer(new Response(null, status), "complete");
      }
      const body = relayBody(answer.body, request.signal, {
        onFirstByte() {
          slot.answered();
          setIdleTimeout(STREAM_IDLE_SECONDS);
          story.tell({ first_byte_ms: story.ms() });
        },
        onEnd(end, bytes) {
          slot.release();
          story.end(end, answer.status, bytes);
        },
      });
      return new Response(body, status);
    } catch (error) {
      slot.release();
      if (request.signal.aborted) return story.left();
      story.tell({ error: failureWords(error) });
      if (!neverConnected(error)) return story.answer(problem(502, brokenSentence(error)), "no_answer");
      deps.onRefused();
      return story.answer(decline("ollama_down"), "ollama_down");
    }
  };

  /** Collects what the one log line of this request says, and lets the connection be closed again when it is over. */
  function beginStory({ log }: ExecuteDeps, { requestId, setIdleTimeout }: Arrival) {
    const began = clock.now();
    const ms = () => Math.round((clock.now() - began) * 10) / 10;
    const fields: Record<string, unknown> = { request_id: requestId };
    function end(outcome: string, status: number, bytes: number): void {
      setIdleTimeout(CONNECTION_IDLE_SECONDS);
      const line = { ...fields, outcome, status, bytes, ms: ms(), running: slots.running };
      log[LEVELS[outcome] ?? "info"](line, "execute");
    }
    return {
      ms,
      end,
      tell: (more: Record<string, unknown>) => Object.assign(fields, more),
      answer(response: Response, outcome: string): Response {
        end(outcome, response.status, 0);
        return response;
      },
      left(): Response {
        end("cancelled", 499, 0);
        return gone();
      },
    };
  }
}

/** For a caller that has gone; nobody reads it. The status is the one nginx and Ollama use. */
function gone(): Response {
  return new Response(null, { status: 499 });
}

function decline(reason: DeclineReason): Response {
  return Response.json({ detail: SENTENCES[reason] }, { status: 503, headers: { [HEADERS.declined]: reason } });
}

function problem(status: number, detail: string): Response {
  return Response.json({ detail }, { status });
}

function brokenSentence(error: unknown): string {
  return errorCode(error) === "ECONNRESET"
    ? "Ollama closed the connection before it answered"
    : `Ollama's answer could not be read: ${failureWords(error)}`;
}
