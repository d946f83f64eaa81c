/** The faces of OpenAI's routes: completions, embeddings, responses, transcriptions. */
import { z } from "zod";
import type { Face, Framing, HubAnswer, StreamEnd } from "../job.ts";
import { readWhole } from "./answer_body.ts";
import { goJson } from "./go_json.ts";
import { sse, sseFrame } from "./sse.ts";
import { type NotFound, notFound, notFoundTryPulling, wordRefusal } from "./wording.ts";

const completion = z.object({ choices: z.array(z.unknown()) });
/** Without a vector, Go writes the empty list as null. */
const noVectors = z.object({ data: z.null(), usage: z.object({}) });
const vectors = z.union([z.object({ data: z.array(z.unknown()) }), noVectors]);
const response = z.object({ output: z.array(z.unknown()) });
const transcription = z.object({ text: z.string() });
const unfinishedResponse = z.object({ status: z.enum(["queued", "in_progress"]) });
const withResponse = z.object({ response: z.unknown() });

/** Clients stop reading at `[DONE]`; whether its blank line came makes no difference to them. */
const completionEvents = sse({
  isOne: ({ data, json }) => data === "[DONE]" || completion.safeParse(json).success,
  isLast: ({ data }) => data === "[DONE]",
  readWhole,
});

const LAST_RESPONSE_EVENTS: readonly (string | null)[] = ["response.completed", "response.incomplete"];

const responseEvents = sse({
  isOne: ({ type }) => type?.startsWith("response.") ?? false,
  isLast: ({ type, whole, json }) => whole && json !== undefined && LAST_RESPONSE_EVENTS.includes(type),
  bodyOf: (json) => withResponse.safeParse(json).data?.response,
  readWhole: (json): StreamEnd =>
    unfinishedResponse.safeParse(json).success ? { kind: "unfinished" } : readWhole(json),
});

/** /v1/chat/completions and /v1/completions. */
export const completionsFace = openAiFace({ isAnswer: (json) => completion.safeParse(json).success });

/** /v1/embeddings. */
export const openAiEmbeddingsFace = openAiFace({
  isAnswer: (json) => vectors.safeParse(json).success,
  unknown: notFoundTryPulling,
});

/** /v1/audio/transcriptions: JSON, or the bare text, which may be none and may look like JSON. */
export const transcriptionsFace = openAiFace({
  isAnswer: (json, contentType) => contentType.startsWith("text/plain") || transcription.safeParse(json).success,
});

/** /v1/responses. */
export const responsesFace = openAiFace({
  isAnswer: (json) => response.safeParse(json).success,
  framing: responseEvents,
  errorFrame: (message) => {
    // The specification has `code`, `message` and `param` beside `type`. OpenAI's own library raises on `error`
    // alone and hands everything else to the caller as one more event. The place in the sequence is not known here, but
    // stricter libraries want one.
    const fields = { code: null, message, param: null };
    const event = { type: "error", sequence_number: 0, ...fields, error: { type: "api_error", ...fields } };
    return sseFrame("error", goJson(event));
  },
});

/** An error as the /v1 routes answer it: without a charset, with a line feed. */
export function openAiError(status: number, message: string): HubAnswer {
  return { status, contentType: "application/json", text: `${goJson(errorObject(errorType(status), message))}\n` };
}

interface Route extends Pick<Face, "isAnswer"> {
  readonly framing?: Framing;
  readonly errorFrame?: Face["errorFrame"];
  readonly unknown?: NotFound;
}

function openAiFace({
  isAnswer,
  framing = completionEvents,
  errorFrame = errorEvent,
  unknown = notFound,
}: Route): Face {
  return {
    framing,
    passesFailuresOn: true,
    refuse({ model }, refusal) {
      const { status, message } = wordRefusal(model, refusal, unknown);
      return openAiError(status, message);
    },
    isAnswer,
    errorFrame,
  };
}

/** No `[DONE]` follows: a client that overlooks the error must at least see a cut stream. */
function errorEvent(message: string): Uint8Array {
  return sseFrame(null, goJson(errorObject("api_error", message)));
}

function errorObject(type: string, message: string): object {
  return { error: { message, type, param: null, code: null } };
}

function errorType(status: number): string {
  if (status === 400) return "invalid_request_error";
  return status === 404 ? "not_found_error" : "api_error";
}
