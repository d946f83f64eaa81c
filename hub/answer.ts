/** The ways a request ends towards its client: a node's answer, a refusal, or nobody there any more. */
import { HEADERS } from "../shared/protocol.ts";
import type { Failed } from "./forward.ts";
import type { Job, Refusal } from "./job.ts";
import type { Answer } from "./read_answer.ts";
import { type RelayDeps, type RelayEnd, relay } from "./relay.ts";

/** Status written into the log for a client that left; nginx's number, nobody receives it. */
const CLIENT_CLOSED_REQUEST = 499;

/** From the first byte on, this node's answer is the answer. `onEnd` is called once, when it is over. */
export function commit(
  job: Job,
  nodeId: string,
  answer: Answer,
  deps: RelayDeps,
  onEnd: (end: RelayEnd) => void,
): Response {
  job.record.firstByte();
  return relay(job, answer, headersOf(job, nodeId), deps, onEnd);
}

/** Ends a request after `failures`, none of which may be followed by another attempt. */
export function conclude(job: Job, failures: readonly Failed[], deps: RelayDeps): Response {
  const last = failures.at(-1);
  if (!last) return refuse(job, { kind: "no_node" });
  if (last.failure === "hub_stopping") return refuse(job, { kind: "stopping" });
  if (last.failure === "hub_exhausted") return refuse(job, { kind: "exhausted", message: last.message });
  if (last.failure === "model_missing" && last.answer) {
    // Nobody has it after all, and Ollama's own words say so best.
    const { nodeId, message, answer } = last;
    return commit(job, nodeId, answer, deps, () => job.record.finish({ status: answer.status, error: message }));
  }
  const timedOut = last.failure === "first_byte_timeout" || last.failure === "deadline";
  return refuse(job, { kind: "all_failed", failures, timedOut });
}

/** The hub's own answer, in the words and shape of the route. */
export function refuse(job: Job, refusal: Refusal): Response {
  const { status, body } = job.face.refuse(job, refusal);
  const headers = headersOf(job, null);
  if ("retryAfterSeconds" in refusal) headers.set("retry-after", String(refusal.retryAfterSeconds));
  if (refusal.kind === "stopping" || refusal.kind === "exhausted") headers.set("retry-after", "5");
  job.record.finish({ status, error: describe(refusal) });
  return Response.json(body, { status, headers });
}

/** Closes the books on a request whose client is gone. */
export function clientLeft(job: Job, when: string): Response {
  job.record.finish({ status: CLIENT_CLOSED_REQUEST, error: `the client left ${when}` });
  return new Response(null, { status: CLIENT_CLOSED_REQUEST });
}

/** A refusal in one sentence, the same for every route. */
export function describe(refusal: Refusal): string {
  switch (refusal.kind) {
    case "no_node":
      return "No healthy nodes available for requested model";
    case "all_failed":
      return `All candidate nodes failed: ${refusal.failures.map(({ nodeId, message }) => `${nodeId}: ${message}`).join("; ")}`;
    case "queue_full":
      return `All slots are taken and ${refusal.waiting} requests wait already; try again in ${refusal.retryAfterSeconds} s`;
    case "queue_timeout":
      return `No slot became free in time; try again in ${refusal.retryAfterSeconds} s`;
    case "stopping":
      return "The hub is shutting down";
    case "exhausted":
      return `The hub cannot take more at the moment: ${refusal.message}`;
  }
}

function headersOf(job: Job, nodeId: string | null): Headers {
  const headers = new Headers({ [HEADERS.requestId]: job.id, [HEADERS.attempts]: String(job.record.attempts) });
  if (nodeId !== null) headers.set(HEADERS.nodeId, nodeId);
  return headers;
}
