/** `POST /jobs`: the user's own route. Its errors are `{"detail": …}`, its answers Ollama's /api/generate. */
import { z } from "zod";
import { describeIssues } from "../../shared/errors.ts";
import { parseJsonBytes } from "../../shared/json.ts";
import { modelKey } from "../../shared/model_name.ts";
import { PATHS } from "../../shared/protocol.ts";
import { describe } from "../answer.ts";
import { generationFace } from "../faces/native.ts";
import { errorLine, ndjson } from "../faces/ndjson.ts";
import type { Face, Refusal, RefusedRequest } from "../job.ts";
import { fold, isTooDeep } from "../skim_json.ts";
import { loadOptionsOf } from "./load_options.ts";
import { DEEPEST_BODY, NESTED_TOO_DEEPLY } from "./request_fields.ts";
import type { Draft, ServedRoute } from "./serve.ts";

/** A job as a client sends it: the rest of /api/generate's fields pass through. */
export const jobRequest = z.looseObject({
  model: z.string().trim().min(1, "must name a model, such as qwen2.5:7b").max(512),
  prompt: z.string(),
  options: z.record(z.string(), z.unknown()).nullish(),
  stream: z.boolean().nullish(),
});

type JobRequest = z.infer<typeof jobRequest>;

/** How /jobs words its errors; its answers are those of /api/generate. */
export const jobsFace: Face = {
  framing: ndjson,
  isAnswer: generationFace.isAnswer,
  errorFrame: errorLine,
  passesFailuresOn: false,
  refuse: (job, refusal) => ({
    status: statusOf(refusal),
    contentType: "application/json;charset=utf-8",
    text: JSON.stringify({ detail: detailOf(job, refusal) }),
  }),
};

/** `POST /jobs`, served by any agent's `/execute`. */
export const jobsRoute: ServedRoute = {
  face: jobsFace,
  capability: "execute",
  read: (id, bytes) => readJob(id, bytes),
};

/** The job `id` in `bytes`, or a sentence that says what is wrong with it: which field, and why. */
export function readJob(id: string, bytes: Uint8Array): Draft | { readonly problem: string } {
  if (bytes.byteLength === 0) {
    return { problem: 'The body is empty: expected JSON such as {"model": "llama3", "prompt": "Hello"}' };
  }
  if (isTooDeep(bytes, DEEPEST_BODY)) return { problem: NESTED_TOO_DEEPLY };
  const json = parseJsonBytes(bytes);
  if (json === undefined) return { problem: "The body is not valid JSON" };
  const parsed = jobRequest.safeParse(json);
  if (!parsed.success) return { problem: describeIssues(parsed.error) };
  const body = writeJob(id, parsed.data);
  if (body === null) return { problem: "The body is nested too deeply" };
  const { model, stream } = parsed.data;
  // Ollama would take the last of them, whatever its case; whoever judges the request has looked at the first.
  const twice = Object.keys(parsed.data).find((name) => name !== "model" && fold(name) === "model");
  if (twice !== undefined) return { problem: `model: is there twice, the second time as ${twice}` };
  return {
    model,
    key: modelKey(model),
    stream: stream ?? true,
    path: PATHS.execute,
    headers: { "content-type": "application/json" },
    body,
    continuity: { kind: "none" },
    loadOptions: loadOptionsOf(parsed.data.options),
    slot: true,
    json: parsed.data,
  };
}

/** What the node gets, or null where it cannot be written as JSON. */
function writeJob(id: string, { options, stream, ...rest }: JobRequest): Uint8Array<ArrayBuffer> | null {
  try {
    // Ollama takes no null for options; an agent of the earlier system wants both fields there.
    const execute = { ...rest, options: options ?? {}, stream: stream ?? true, job_id: id };
    return new TextEncoder().encode(JSON.stringify(execute));
  } catch {
    return null;
  }
}

function statusOf(refusal: Refusal): number {
  switch (refusal.kind) {
    case "not_passed":
      return refusal.status;
    case "queue_share":
      return 429;
    case "pin_impossible":
      return 404;
    case "all_failed":
      return refusal.timedOut ? 504 : 503;
    default:
      return 503;
  }
}

function detailOf({ id }: RefusedRequest, refusal: Refusal): unknown {
  switch (refusal.kind) {
    case "unknown_model":
    case "no_node":
      // The user's own sentence, which scripts may compare.
      return "No healthy nodes available for requested model";
    case "all_failed":
      return {
        message: "All candidate nodes failed to execute the job",
        errors: refusal.failures.map(({ nodeId, message, status }) => ({ node_id: nodeId, message, status })),
        job_id: id,
      };
    default:
      return describe(refusal);
  }
}
