/** The face of Anthropic's route, /v1/messages. */
import { z } from "zod";
import type { Face, HubAnswer } from "../job.ts";
import { readWhole } from "./answer_body.ts";
import { goJson } from "./go_json.ts";
import { sse, sseFrame } from "./sse.ts";
import { notFound, wordRefusal } from "./wording.ts";

const message = z.object({ type: z.literal("message") });

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
};

/** /v1/messages. */
export const messagesFace: Face = {
  // The counts are message_delta's. Those of message_start are an estimate, and stand where nothing here looks for them.
  framing: sse({
    isOne: ({ type }) => type?.startsWith("message_") ?? false,
    isLast: ({ type, whole }) => whole && type === "message_stop",
    readWhole,
  }),
  passesFailuresOn: true,
  refuse({ id, model }, refusal) {
    const { status, message } = wordRefusal(model, refusal, notFound);
    return anthropicError(id, status, message);
  },
  isAnswer: (json) => message.safeParse(json).success,
  // Anthropic's library looks for errors under `event:` only, whatever `data:` says.
  errorFrame: (message) => sseFrame("error", goJson(errorObject("api_error", message))),
};

/** An error as /v1/messages answers it: the id in it is the beginning of `requestId`, as long as Ollama's. */
export function anthropicError(requestId: string, status: number, message: string): HubAnswer {
  const body = {
    ...errorObject(ERROR_TYPES[status] ?? "api_error", message),
    request_id: `req_${requestId.replaceAll("-", "").slice(0, 24)}`,
  };
  return { status, contentType: "application/json", text: `${goJson(body)}\n` };
}

function errorObject(type: string, message: string): object {
  return { type: "error", error: { type, message } };
}
