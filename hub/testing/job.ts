/** A client's request as the request path sees it, for tests: one for MODEL on /api/generate, changed by the test. */
import { modelKey } from "../../shared/model_name.ts";
import { generationFace } from "../faces/native.ts";
import type { Job } from "../job.ts";
import { ANYBODY } from "../policy/callers.ts";
import type { RequestLog } from "../request_log.ts";

export const MODEL = modelKey("llama3");

const NEVER = new AbortController().signal;

/** A streamed request for MODEL, written into `log`. */
export function jobFor(log: RequestLog, changes: Partial<Job> = {}): Job {
  const start = { requestId: "id", clientIp: "::1", endpoint: "/api/generate", method: "POST", model: "llama3" };
  return {
    id: "id",
    model: "llama3",
    key: MODEL,
    stream: true,
    path: "/ollama/api/generate",
    headers: {},
    body: new Uint8Array(),
    needs: { capability: "ollama", nodeId: null, slot: true },
    continuity: { kind: "none" },
    face: generationFace,
    caller: ANYBODY,
    signal: NEVER,
    hangUp: () => {},
    deadlineAt: Number.POSITIVE_INFINITY,
    record: log.begin({ ...start, stream: true, json: null }),
    ...changes,
  };
}
