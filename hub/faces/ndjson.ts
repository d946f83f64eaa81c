/** NDJSON as Ollama streams it: where lines end, and what the last line says. */
import { z } from "zod";
import { parseJsonBytes } from "../../shared/json.ts";
import type { Framing, StreamEnd } from "../job.ts";
import { slotWaitMs } from "../policy/learned_slots.ts";

const LINE_FEED = 10;
const SPACE = 32;
/** Of a millisecond: Ollama's durations are in them. */
const NANOSECONDS = 1e6;
const encoder = new TextEncoder();

/** For the log and to learn from only: a strange one must not make a whole answer look cut. */
const count = z.number().nullish().catch(null);

/** The parts of an answer object that the hub reads; everything else passes by unread. */
const answerObject = z.object({
  done: z.boolean().nullish(),
  error: z.string().nullish(),
  prompt_eval_count: count,
  eval_count: count,
  total_duration: count,
  load_duration: count,
  prompt_eval_duration: count,
  eval_duration: count,
});

/** Every line of Ollama's says whether it is the last, or what went wrong. */
const firstLine = z.union([z.object({ done: z.boolean() }), z.object({ error: z.string() })]);

/** The framing of streams whose lines are JSON. */
export const ndjson: Framing = {
  endOfLastFrame: (bytes) => bytes.lastIndexOf(LINE_FEED) + 1,
  isFirst(frames) {
    const line = frames.subarray(0, frames.indexOf(LINE_FEED) + 1);
    return firstLine.safeParse(parseJsonBytes(line)).success;
  },
  readLast: (frame) => readAnswerObject(parseJsonBytes(lastLine(frame))),
  readWhole: readAnswerObject,
};

/** Reads one answer object, a line of a stream or a whole answer, as the end of a generation. */
function readAnswerObject(json: unknown): StreamEnd {
  const parsed = answerObject.safeParse(json);
  if (!parsed.success) return { kind: "unfinished" };
  const { error, done, prompt_eval_count, eval_count, ...durations } = parsed.data;
  if (error) return { kind: "error", message: error };
  if (done !== true) return { kind: "unfinished" };
  const [promptTokens, completionTokens] = [prompt_eval_count ?? null, eval_count ?? null];
  const end = { kind: "done", promptTokens, completionTokens, slotWaitMs: slotWaitMs(durations) } as const;
  const { eval_duration: writing } = durations;
  return writing != null && writing > 0 ? { ...end, writingMs: writing / NANOSECONDS } : end;
}

/** A line that every official client raises on. It carries no `done`: a client stops at that and calls it success. */
export function errorLine(message: string): Uint8Array {
  return encoder.encode(`${JSON.stringify({ error: message })}\n`);
}

function lastLine(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] ?? 0) <= SPACE) end--;
  const start = end === 0 ? 0 : bytes.lastIndexOf(LINE_FEED, end - 1) + 1;
  return bytes.subarray(start, end);
}
