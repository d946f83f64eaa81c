/** The faces of Ollama's own routes: /api/generate and /api/chat, /api/embed, /api/embeddings, /api/show. */
import { z } from "zod";
import type { Face, Framing, HubAnswer, StreamEnd } from "../job.ts";
import { errorIn } from "./answer_body.ts";
import { goJson } from "./go_json.ts";
import { errorLine, ndjson } from "./ndjson.ts";
import { type NotFound, notFound, notFoundAsListed, notFoundTryPulling, wordRefusal } from "./wording.ts";

/** `done` may be false: Ollama gives up on a model that repeats itself, and says so. */
const generation = z.union([z.object({ done: z.boolean() }), z.object({ error: z.string() })]);
const vectors = z.object({ embeddings: z.array(z.unknown()) });
const vector = z.object({ embedding: z.array(z.unknown()) });
const modelInfo = z.union([z.object({ details: z.object({}) }), z.object({ model_info: z.object({}) })]);
const promptCount = z.object({ prompt_eval_count: z.number() });

/** For routes whose answer always comes whole. */
const neverStreamed: Framing = { ...ndjson, readWhole: readObject };

/** /api/generate and /api/chat. */
export const generationFace = nativeFace({ answer: generation, framing: ndjson, unknown: notFound });

/** /api/embed. */
export const embedFace = nativeFace({ answer: vectors, framing: neverStreamed, unknown: notFoundTryPulling });

/** /api/embeddings, the old form. */
export const embeddingsFace = nativeFace({ answer: vector, framing: neverStreamed, unknown: notFoundTryPulling });

/** /api/show. */
export const showFace = nativeFace({ answer: modelInfo, framing: neverStreamed, unknown: notFoundAsListed });

/** An error as Ollama's own routes answer it: with its charset, without a line feed. */
export function nativeError(status: number, message: string): HubAnswer {
  return { status, contentType: "application/json; charset=utf-8", text: goJson({ error: message }) };
}

interface Route {
  readonly answer: z.ZodType;
  readonly framing: Framing;
  readonly unknown: NotFound;
}

function nativeFace({ answer, framing, unknown }: Route): Face {
  return {
    framing,
    passesFailuresOn: true,
    refuse({ model }, refusal) {
      const { status, message } = wordRefusal(model, refusal, unknown);
      return nativeError(status, message);
    },
    isAnswer: (json) => answer.safeParse(json).success,
    errorFrame: errorLine,
  };
}

function readObject(json: unknown): StreamEnd {
  const error = errorIn(json);
  if (error !== null) return { kind: "error", message: error };
  const promptTokens = promptCount.safeParse(json).data?.prompt_eval_count ?? null;
  return { kind: "done", promptTokens, completionTokens: null, slotWaitMs: null };
}
