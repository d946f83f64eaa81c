/** The story of one request: what its one log line says, and that its connection may be closed again when it is over. */
import type { Clock } from "../shared/clock.ts";
import type { Logger } from "../shared/log.ts";
import { CLIENT_CLOSED_REQUEST } from "../shared/protocol.ts";
import type { Arrival } from "./arrival.ts";
import { gone } from "./own_answer.ts";

export interface Story {
  /** Milliseconds since the request arrived. */
  ms(): number;
  /** Adds fields to the log line. */
  tell(more: Record<string, unknown>): void;
  /** Sets after how many seconds without progress the connection is closed, 0 never; of no effect after the end. */
  limitSilence(seconds: number): void;
  /** Ends the story; `bytes` of an answer were passed on. */
  end(outcome: string, status: number, bytes: number): void;
  /** Ends the story with an answer of the node's own, which it returns. */
  answer(response: Response, outcome: string): Response;
  /** Ends the story of a caller that has gone. */
  left(): Response;
}

/** How the story of a request ended. */
export interface StoryEnd {
  /** Its title. */
  readonly title: string;
  readonly outcome: string;
  readonly status: number;
  /** Milliseconds since the request arrived. */
  readonly ms: number;
}

export interface StoryOptions {
  /** The message of the log line. */
  readonly title: string;
  /** Level of an outcome that is plain news. */
  readonly level: "info" | "debug";
  /** Fields as they are at the end. */
  readonly atEnd?: () => Record<string, unknown>;
  /** Told once, at the end. */
  readonly onEnd?: ((end: StoryEnd) => void) | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Seconds without progress after a request: the tail may wait for a slow reader, and without a finite value the idle
 * connection would stay for good. The hub closes it after 4 s itself.
 */
const CONNECTION_IDLE_SECONDS = 120;

/** Levels of outcomes that are not plain news. A race lost is the normal fate of every second connection of a hub. */
const LEVELS: Readonly<Record<string, "debug" | "warn">> = {
  broken: "warn",
  no_answer: "warn",
  not_delivered: "debug",
};

/** The story of `arrival`, which begins now. */
export function beginStory({ title, level, atEnd, onEnd, clock, log }: StoryOptions, arrival: Arrival): Story {
  const began = clock.now();
  const ms = () => Math.round((clock.now() - began) * 10) / 10;
  const fields: Record<string, unknown> = { request_id: arrival.requestId };
  let ended = false;
  function end(outcome: string, status: number, bytes: number): void {
    ended = true;
    arrival.setIdleTimeout(CONNECTION_IDLE_SECONDS);
    const took = ms();
    log[LEVELS[outcome] ?? level]({ ...fields, outcome, status, bytes, ms: took, ...atEnd?.() }, title);
    onEnd?.({ title, outcome, status, ms: took });
  }
  return {
    ms,
    end,
    limitSilence(seconds) {
      // What is left of a body that Ollama did not want may still be on its way.
      if (!ended) arrival.setIdleTimeout(seconds);
    },
    tell: (more) => Object.assign(fields, more),
    answer(response, outcome) {
      end(outcome, response.status, 0);
      return response;
    },
    left() {
      end("cancelled", CLIENT_CLOSED_REQUEST, 0);
      return gone();
    },
  };
}
