/** The body of POST /execute: checked at the border, then what Ollama is sent of it. */
import { describeIssues } from "../shared/errors.ts";
import { executeRequest } from "../shared/protocol.ts";

export interface ExecuteBody {
  readonly model: string;
  readonly jobId: string | null;
  /** The JSON text for Ollama's /api/generate: everything but the job id, as it came. */
  readonly forOllama: string;
}

export type ReadBody =
  | { readonly ok: true; readonly body: ExecuteBody }
  /** What is wrong, with the field: "model: expected string, received number". */
  | { readonly ok: false; readonly problem: string };

/** Reads the bytes of a request body. */
export function readExecuteBody(bytes: Uint8Array): ReadBody {
  const value = parseJson(bytes);
  if (value === undefined) return { ok: false, problem: "the body is not JSON" };
  const parsed = executeRequest.safeParse(value);
  if (!parsed.success) return { ok: false, problem: describeIssues(parsed.error) };
  // Fields this version does not know go to Ollama too, null stays null: only the hub's own field is taken out.
  const { job_id, ...rest } = parsed.data;
  const forOllama = JSON.stringify({ ...rest, stream: rest.stream ?? true });
  return { ok: true, body: { model: rest.model, jobId: job_id ?? null, forOllama } };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
