/** Passing on what runs no model: no slot, nothing held, both bodies flow through as they come. */
import type { Clock } from "../shared/clock.ts";
import type { Logger } from "../shared/log.ts";
import { type Method, type RouteKind, withoutQuery } from "../shared/ollama_routes.ts";
import { type Arrival, isTicketed, OTHER_BODY, readWhole } from "./arrival.ts";
import { type AskDeps, askOllama } from "./ask_ollama.ts";
import { decline, gone, problem } from "./own_answer.ts";
import { beginStory, type Story, type StoryEnd } from "./story.ts";

export interface PassOnDeps extends AskDeps {
  readonly isDraining: () => boolean;
  /** Bytes of a body at most that has to be held until it is known to be the one its ticket is for. */
  readonly bodyLimit: number;
  /** Told after every request that may have changed which models there are. */
  readonly onManaged: () => void;
  /** Told of every request that has ended. */
  readonly onRequest?: (end: StoryEnd) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What is passed on. */
export interface Passage {
  readonly kind: RouteKind;
  readonly method: Method;
  /** Path and query at Ollama. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface PassOn {
  /** Answers everything itself and never throws. */
  handle(arrival: Arrival, passage: Passage): Promise<Response>;
  /** Resolves when no management request is under way. */
  whenIdle(): Promise<void>;
}

/** Seconds without a byte of a request body, which may wait for Ollama's disk. At most 255. */
const UPLOAD_IDLE_SECONDS = 240;

/** The handler of everything of Ollama's that runs no model. */
export function createPassOn(deps: PassOnDeps): PassOn {
  const { clock, log } = deps;
  let managing = 0;
  let waiting: (() => void)[] = [];

  function managed(status: number | null, method: Method): void {
    managing -= 1;
    // Also after one that broke off: a pull whose caller left may have been through.
    if (status !== null && status < 400 && method !== "HEAD") deps.onManaged();
    if (managing > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  }

  return {
    async handle(arrival, { kind, method, target, headers }) {
      const { request } = arrival;
      const level = kind === "info" ? "debug" : "info";
      const story = beginStory({ title: "ollama", level, onEnd: deps.onRequest, clock, log }, arrival);
      story.tell({ method, path: withoutQuery(target) });
      const isManagement = kind === "management";
      if (isManagement && deps.isDraining()) return story.answer(decline("draining"), "draining");

      const held = arrival.bodyHash === null ? null : await readWhole(request, deps.bodyLimit);
      if (held === "gone") return story.answer(gone(), "not_delivered");
      if (held === "too_large") {
        return story.answer(problem(413, `The body may have at most ${deps.bodyLimit} bytes`), "too_large");
      }
      if (held !== null && !isTicketed(arrival, held)) return story.answer(problem(401, OTHER_BODY), "other_body");
      const flowing = held === null && request.body !== null ? timedBody(request.body, story) : null;
      const body = held !== null && held.byteLength > 0 ? held : flowing;
      // No limit for Ollama, which is silent for minutes while it verifies what it pulled.
      if (body === null || held !== null) story.limitSilence(0);
      const length = request.headers.get("content-length");
      if (isManagement) managing += 1;
      return askOllama(deps, arrival, story, {
        request: {
          method,
          target,
          headers: body === null || length === null ? headers : { ...headers, "content-length": length },
          ...(body === null ? {} : { body }),
          // On a connection that Ollama is just closing Bun would send a DELETE twice and lose a POST.
          fresh: method === "POST" || method === "DELETE",
        },
        model: "",
        onFirstByte() {},
        onEnd(status) {
          if (isManagement) managed(status, method);
        },
      });
    },
    whenIdle() {
      return managing === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
    },
  };
}

/**
 * `body`, read only as fast as it is taken. A caller that vanishes in the middle is noticed; once all is there, the
 * connection has no limit any more. Left alone, Bun would cut bodies slower than 16 kB/s however steadily they come.
 */
function timedBody(body: ReadableStream<Uint8Array>, story: Story) {
  const reader = body.getReader();
  story.limitSilence(UPLOAD_IDLE_SECONDS);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        story.limitSilence(done ? 0 : UPLOAD_IDLE_SECONDS);
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel() {
        // Cancelling a body whose caller has gone rejects; there is nothing left to do about it.
        reader.cancel().catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}
