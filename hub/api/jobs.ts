/** `POST /jobs`: the user's own route. Its errors are `{"detail": …}`, its answers Ollama's /api/generate. */
import type { Context } from "hono";
import { z } from "zod";
import { describeIssues } from "../../shared/errors.ts";
import { parseJsonBytes } from "../../shared/json.ts";
import { peerAddress } from "../../shared/listen.ts";
import { modelKey } from "../../shared/model_name.ts";
import { HEADERS, PATHS } from "../../shared/protocol.ts";
import { describe } from "../answer.ts";
import { type DispatchDeps, dispatch } from "../dispatch.ts";
import type { Face, Job, Refusal } from "../job.ts";
import { errorLine, ndjson } from "../ndjson.ts";
import type { RequestLog } from "../request_log.ts";
import { boundIdleTimeout, type HubEnv, liftIdleTimeout, readBody } from "./body.ts";

/** A job as a client sends it: the rest of /api/generate's fields pass through. */
export const jobRequest = z.looseObject({
  model: z.string().trim().min(1, "must name a model, such as qwen2.5:7b").max(512),
  prompt: z.string(),
  options: z.record(z.string(), z.unknown()).nullish(),
  stream: z.boolean().nullish(),
});

const generateAnswer = z.union([z.object({ done: z.boolean() }), z.object({ error: z.string() })]);

export type JobRequest = z.infer<typeof jobRequest>;

export const jobsFace: Face = {
  framing: ndjson,
  // `done` may be false: Ollama gives up on a model that repeats itself, and says so.
  isAnswer: (json) => generateAnswer.safeParse(json).success,
  errorFrame: errorLine,
  refuse: (job, refusal) => ({ status: statusOf(refusal), body: { detail: detailOf(job, refusal) } }),
};

export interface JobsDeps extends DispatchDeps {
  readonly requestLog: RequestLog;
  /** Bytes. */
  readonly maxBody: number;
  /** Milliseconds a request may take altogether. */
  readonly requestMs: number;
}

/** Answers `POST /jobs`: reads the job, writes it into the log, and has it dispatched. */
export async function serveJob(context: Context<HubEnv>, hub: JobsDeps): Promise<Response> {
  const id = crypto.randomUUID();
  const { signal } = context.req.raw;
  const body = await readBody(context, hub.maxBody);
  const read = body.kind === "whole" ? readJob(id, body.bytes) : { problem: "The body broke off before its end" };
  const job = "problem" in read ? null : read;
  const record = hub.requestLog.begin({
    requestId: id,
    clientIp: peerAddress(context.env, context.req.raw),
    endpoint: context.req.path,
    method: context.req.method,
    model: job?.model ?? null,
    stream: job?.stream ?? false,
    json: job?.request ?? null,
  });
  const reject = (status: 400 | 413, detail: string) => {
    record.finish({ status, error: detail });
    return context.json({ detail }, status, { [HEADERS.requestId]: id });
  };
  if (body.kind === "too large") return reject(413, `The body is larger than ${hub.maxBody / 1e6} MB (MAX_BODY_MB)`);
  if ("problem" in read) return reject(400, read.problem);

  liftIdleTimeout(context);
  const deadlineAt = hub.clock.now() + hub.requestMs;
  const response = await dispatch({ ...read, signal, deadlineAt, record }, hub);
  boundIdleTimeout(context, hub.attemptTimes.idleMs);
  return response;
}

/** A job read from a request's body, and the body as the client meant it. */
export type ReadJob = Pick<Job, "id" | "model" | "key" | "stream" | "path" | "body" | "face"> & {
  readonly request: JobRequest;
};

/** The job `id` in `bytes`, or a sentence that says what is wrong with it: which field, and why. */
export function readJob(id: string, bytes: Uint8Array): ReadJob | { readonly problem: string } {
  if (bytes.byteLength === 0) {
    return { problem: 'The body is empty: expected JSON such as {"model": "llama3", "prompt": "Hello"}' };
  }
  const json = parseJsonBytes(bytes);
  if (json === undefined) return { problem: "The body is not valid JSON" };
  const parsed = jobRequest.safeParse(json);
  if (!parsed.success) return { problem: describeIssues(parsed.error) };
  const body = writeJob(id, parsed.data);
  if (body === null) return { problem: "The body is nested too deeply" };
  const { model, stream } = parsed.data;
  return {
    id,
    model,
    key: modelKey(model),
    stream: stream ?? true,
    path: PATHS.execute,
    body,
    face: jobsFace,
    request: parsed.data,
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
