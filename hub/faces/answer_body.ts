/** What the hub reads in an answer's JSON, whatever family of routes it is of: an error's text, and token counts. */
import { z } from "zod";
import type { StreamEnd } from "../job.ts";

export interface Tokens {
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
}

/** For an answer that does not say. */
export const NO_TOKENS: Tokens = { promptTokens: null, completionTokens: null };

/** Counts are for the log only: a strange one must not make a whole answer look cut. */
const tokenCount = z.number().nullish().catch(null);

const withUsage = z.object({
  usage: z.object({
    /** OpenAI's completions and embeddings. */
    prompt_tokens: tokenCount,
    completion_tokens: tokenCount,
    /** OpenAI's responses, Anthropic's messages. */
    input_tokens: tokenCount,
    output_tokens: tokenCount,
  }),
});

const withError = z.object({ error: z.unknown() });
const withMessage = z.object({ message: z.string().min(1) });

/** The token counts under `usage` of `json`, or null where it has none. */
export function usageIn(json: unknown): Tokens | null {
  const parsed = withUsage.safeParse(json);
  if (!parsed.success) return null;
  const { usage } = parsed.data;
  return {
    promptTokens: usage.prompt_tokens ?? usage.input_tokens ?? null,
    completionTokens: usage.completion_tokens ?? usage.output_tokens ?? null,
  };
}

/** The message of the error object `json`, or null where it is none. Like the clients, takes any true `error` for one. */
export function errorIn(json: unknown): string | null {
  const error = withError.safeParse(json).data?.error;
  if (!error) return null;
  return typeof error === "string" ? error : (messageIn(error) ?? "an error without a message");
}

/** The text under `message` of `json`, or null. */
export function messageIn(json: unknown): string | null {
  return withMessage.safeParse(json).data?.message ?? null;
}

/** The end of an answer that came whole, in a shape that has errors under `error` and counts under `usage`. */
export function readWhole(json: unknown): StreamEnd {
  const error = errorIn(json);
  if (error !== null) return { kind: "error", message: error };
  return { kind: "done", ...(usageIn(json) ?? NO_TOKENS), slotWaitMs: null };
}
