/** The ways a request ends towards its client: a node's answer, a refusal, or nobody there any more. */
import { CLIENT_CLOSED_REQUEST, HEADERS } from "../shared/protocol.ts";
import { queueShare } from "./faces/wording.ts";
import type { Comeback } from "./fleet/comeback.ts";
import type { Failed } from "./forward.ts";
import type { Job, Refusal } from "./job.ts";
import { whyNobody } from "./no_node.ts";
import type { LivenessLimits } from "./policy/liveness.ts";
import type { Answer } from "./read_answer.ts";
import type { Registry } from "./registry.ts";
import { type RelayDeps, type RelayEnd, relay } from "./relay.ts";

/** Seconds after which a machine that was started again has mostly registered: nodes look for the hub every five. */
const USUAL_RETRY_AFTER = "5";

export interface ConcludeDeps extends RelayDeps {
  readonly registry: Registry;
  readonly liveness: LivenessLimits;
  readonly comeback: Pick<Comeback, "underWay">;
}

/** From the first byte on, this node's answer is the answer. `onEnd` is called once, when it is over. */
export function commit(
  job: Job,
  nodeId: string,
  answer: Answer,
  deps: RelayDeps,
  onEnd: (end: RelayEnd) => void,
): Response {
  job.record.firstByte(answer.status);
  return relay(job, answer, headersOf(job, nodeId), deps, onEnd);
}

/** Ends a request after `failures`, none of which may be followed by another attempt. */
export function conclude(job: Job, failures: readonly Failed[], deps: ConcludeDeps): Response {
  const last = failures.at(-1);
  if (!last) return refuse(job, whyNobody(job, deps));
  if (last.failure === "hub_stopping") return refuse(job, { kind: "stopping" });
  if (last.failure === "hub_exhausted") return refuse(job, { kind: "exhausted", message: last.message });
  // Nobody has it after all, or none could: Ollama's own words say so best.
  const inOllamasWords = job.face.passesFailuresOn && failures.every(isOllamasAnswer);
  if (last.answer && (last.failure === "model_missing" || inOllamasWords)) {
    const { nodeId, message, answer } = last;
    return commit(job, nodeId, answer, deps, () => job.record.finish({ status: answer.status, error: message }));
  }
  const timedOut = last.failure === "first_byte_timeout" || last.failure === "deadline";
  return refuse(job, { kind: "all_failed", failures, timedOut });
}

function isOllamasAnswer({ answer, declined, failure }: Failed): boolean {
  return answer !== undefined && declined === undefined && failure !== "protocol_error";
}

/** The hub's own answer, in the words and shape of the route. */
export function refuse(job: Pick<Job, "id" | "model" | "face" | "record">, refusal: Refusal): Response {
  const { status, contentType, text } = job.face.refuse(job, refusal);
  const headers = headersOf(job, null);
  headers.set("content-type", contentType);
  if ("retryAfterSeconds" in refusal) headers.set("retry-after", String(refusal.retryAfterSeconds));
  else if (status === 503) headers.set("retry-after", USUAL_RETRY_AFTER);
  job.record.finish({ status, error: describe(refusal), refusal: refusal.kind });
  return new Response(text, { status, headers });
}

/** Closes the books on a request whose client is gone. */
export function clientLeft(job: Job, when: string): Response {
  job.record.finish({ status: CLIENT_CLOSED_REQUEST, error: `the client left ${when}` });
  return new Response(null, { status: CLIENT_CLOSED_REQUEST });
}

/** A refusal in one sentence, the same for every route. */
export function describe(refusal: Refusal): string {
  switch (refusal.kind) {
    case "unknown_model":
      return "No node has the requested model";
    case "no_node":
      return `No healthy nodes available for requested model: ${refusal.reasons.join("; ") || "no node has joined this hub"}`;
    case "pin_impossible":
    case "not_passed":
      return refusal.message;
    case "all_failed":
      return `All candidate nodes failed: ${refusal.failures.map(({ nodeId, message }) => `${nodeId}: ${message}`).join("; ")}`;
    case "queue_full":
      return `All slots are taken and ${refusal.waiting} requests wait already; try again in ${refusal.retryAfterSeconds} s`;
    case "queue_share":
      return queueShare(refusal.waiting);
    case "queue_timeout":
      return `No slot became free in time; try again in ${refusal.retryAfterSeconds} s`;
    case "stopping":
      return "The hub is shutting down";
    case "exhausted":
      return `The hub cannot take more at the moment: ${refusal.message}`;
  }
}

function headersOf(job: Pick<Job, "id" | "record">, nodeId: string | null): Headers {
  const headers = new Headers({ [HEADERS.requestId]: job.id, [HEADERS.attempts]: String(job.record.attempts) });
  if (nodeId !== null) headers.set(HEADERS.nodeId, nodeId);
  const { queuePosition } = job.record;
  if (queuePosition !== null) headers.set(HEADERS.queuePosition, String(queuePosition));
  return headers;
}
