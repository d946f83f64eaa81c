/** The body of POST /execute: checked at the border, then what Ollama is sent of it. */
import { describeIssues } from "../shared/errors.ts";
import { executeRequest } from "../shared/protocol.ts";
import type { ReadWork } from "./execute.ts";

/** Reads the bytes of a request body. */
export const readExecuteBody: ReadWork = (bytes) => {
  const value = parseJson(bytes);
  if (value === undefined) return { ok: false, problem: "the body is not JSON" };
  const parsed = executeRequest.safeParse(value);
  if (!parsed.success) return { ok: false, problem: describeIssues(parsed.error) };
  // Fields this version does not know go to Ollama too, null stays null: only the hub's own field is taken out.
  const { job_id, ...rest } = parsed.data;
  const body = JSON.stringify({ ...rest, stream: rest.stream ?? true });
  const headers = { "content-type": "application/json" };
  const request = { method: "POST", target: "/api/generate", headers, body } as const;
  return { ok: true, work: { model: rest.model, takesSlot: true, request, about: { job_id: job_id ?? null } } };
};

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
