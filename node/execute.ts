/** The node's request path for what runs a model: the whole body → a slot → the local Ollama → its answer as it comes. */
import type { Clock } from "../shared/clock.ts";
import type { Logger } from "../shared/log.ts";
import { type Arrival, isTicketed, OTHER_BODY, readWhole } from "./arrival.ts";
import { type AskDeps, askOllama } from "./ask_ollama.ts";
import type { OllamaRequest } from "./ollama.ts";
import { decline, gone, problem } from "./own_answer.ts";
import type { Slot, Slots } from "./slots.ts";
import { beginStory, type StoryEnd } from "./story.ts";

export interface ExecuteDeps extends AskDeps {
  readonly slots: Slots;
  readonly isDraining: () => boolean;
  /** Bytes of a request body at most; it is held in memory. */
  readonly bodyLimit: number;
  /** Told of every request that has ended. */
  readonly onRequest?: (end: StoryEnd) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What a request comes down to, at whichever path it arrived. */
export interface Work {
  /** "" when the request does not say. */
  readonly model: string;
  /** False for what runs nothing, such as unloading a model: it need not wait until others are done. */
  readonly takesSlot: boolean;
  readonly request: OllamaRequest;
  /** For the log. */
  readonly about: Readonly<Record<string, unknown>>;
}

/** How a body becomes work. A problem names the field: "model: expected string, received number". */
export type ReadWork = (
  body: Uint8Array,
) => { readonly ok: true; readonly work: Work } | { readonly ok: false; readonly problem: string };

export type Execute = (arrival: Arrival, read: ReadWork) => Promise<Response>;

/**
 * Seconds without progress once tokens flow. Far longer than any pause between two tokens, and the only way to notice a
 * hub that vanished from the network: with 0 Bun does not look, and Ollama would go on for ever. At most 255.
 */
const STREAM_IDLE_SECONDS = 240;

const NO_SLOT: Slot = { answered() {}, release() {} };

/** The handler of everything that runs a model. It answers everything itself and never throws. */
export function createExecute(deps: ExecuteDeps): Execute {
  const { slots, bodyLimit, clock, log } = deps;

  return async (arrival, read) => {
    const { request } = arrival;
    const atEnd = () => ({ running: slots.running });
    const story = beginStory({ title: "execute", level: "info", atEnd, onEnd: deps.onRequest, clock, log }, arrival);

    // The whole body first. A hub that races two addresses sends the body on one connection only and cuts the other:
    // nothing of that one may reach Ollama.
    const bytes = await readWhole(request, bodyLimit);
    if (bytes === "gone") return story.answer(gone(), "not_delivered");
    if (bytes === "too_large") return story.answer(tooLarge(bodyLimit), "too_large");
    if (!isTicketed(arrival, bytes)) return story.answer(problem(401, OTHER_BODY), "other_body");
    const found = read(bytes);
    if (!found.ok) return story.answer(problem(400, found.problem), "invalid");
    const { model, takesSlot, request: forOllama, about } = found.work;
    story.tell({ model, ...about });
    if (deps.isDraining()) return story.answer(decline("draining"), "draining");

    // Queueing and loading a model take minutes without a byte; Bun would cut the connection.
    story.limitSilence(0);
    const slot = takesSlot ? await slots.take(model, request.signal) : NO_SLOT;
    if (slot === null) return request.signal.aborted ? story.left() : story.answer(decline("busy"), "busy");

    return askOllama(deps, arrival, story, {
      request: forOllama,
      model,
      onFirstByte() {
        slot.answered();
        story.limitSilence(STREAM_IDLE_SECONDS);
      },
      onEnd: slot.release,
    });
  };
}

function tooLarge(limit: number): Response {
  return problem(413, `The body of a request that runs a model may have at most ${limit} bytes`);
}
