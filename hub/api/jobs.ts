/** `POST /jobs`: the user's own route. Its errors are `{"detail": …}`, its answers Ollama's /api/generate. */
import { z } from "zod";
import { describeIssues } from "../../shared/errors.ts";
import { modelKey } from "../../shared/model_name.ts";
import { PATHS } from "../../shared/protocol.ts";
import { describe } from "../answer.ts";
import type { Face, Job, Refusal } from "../job.ts";
import { errorLine, ndjson, parseJson } from "../ndjson.ts";

/** A job as a client sends it: the rest of /api/generate's fields pass through. */
export const jobRequest = z.looseObject({
  model: z.string().trim().min(1, "must name a model, such as qwen2.5:7b").max(512),
  prompt: z.string(),
  options: z.record(z.string(), z.unknown()).nullish(),
  stream: z.boolean().nullish(),
});

export type JobRequest = z.infer<typeof jobRequest>;

export const jobsFace: Face = {
  framing: ndjson,
  errorFrame: errorLine,
  refuse: (job, refusal) => ({ status: statusOf(refusal), body: { detail: detailOf(job, refusal) } }),
};

/** The job in `bytes`, or a sentence that says which field is wrong and why. */
export function readJob(bytes: Uint8Array): JobRequest | string {
  if (bytes.byteLength === 0) return 'The body is empty: expected JSON such as {"model": "llama3", "prompt": "Hello"}';
  const json = parseJson(new TextDecoder().decode(bytes));
  if (json === undefined) return "The body is not valid JSON";
  const parsed = jobRequest.safeParse(json);
  return parsed.success ? parsed.data : describeIssues(parsed.error);
}

/** What of a Job follows from the request's body alone. */
export function placeJob(
  id: string,
  request: JobRequest,
): Pick<Job, "model" | "key" | "stream" | "path" | "body" | "face"> {
  const stream = request.stream ?? true;
  const { options, ...rest } = request;
  // Ollama takes no null for options; an agent of the earlier system wants both fields there.
  const execute = { ...rest, options: options ?? {}, stream, job_id: id };
  return {
    model: request.model,
    key: modelKey(request.model),
    stream,
    path: PATHS.execute,
    body: new TextEncoder().encode(JSON.stringify(execute)),
    face: jobsFace,
  };
}

function statusOf(refusal: Refusal): number {
  return refusal.kind === "all_failed" && refusal.timedOut ? 504 : 503;
}

function detailOf(job: Job, refusal: Refusal): unknown {
  if (refusal.kind !== "all_failed") return describe(refusal);
  return {
    message: "All candidate nodes failed to execute the job",
    errors: refusal.failures.map(({ nodeId, message, status }) => ({ node_id: nodeId, message, status })),
    job_id: job.id,
  };
}
