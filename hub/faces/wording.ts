/** What the hub says when no node answers a request to Ollama's routes: status and message, whatever shape they get. */
import { fullName, shortName } from "../../shared/model_name.ts";
import type { Refusal } from "../job.ts";

export interface Worded {
  readonly status: number;
  readonly message: string;
}

/** How a route says that nobody has `model`, the name as the client sent it. */
export type NotFound = (model: string) => string;

/** /api/generate, /api/chat and all that wraps them. */
export const notFound: NotFound = (model) => `model '${model}' not found`;

/** /api/embed, /api/embeddings and /v1/embeddings, which wraps the first: the name goes through Go's `%q`. */
export const notFoundTryPulling: NotFound = (model) => `model ${JSON.stringify(model)} not found, try pulling it first`;

/** /api/show: the normalised name. `ollama run` pulls the model when it gets this 404. */
export const notFoundAsListed: NotFound = (model) => notFound(shortName(fullName(model)));

/** Ollama's own words, with their two spaces; clients match them. */
const BUSY = "server busy, please try again.  maximum pending requests exceeded";

/** Ollama's words for a model that runs at a cloud service, where none may be used. */
export const CLOUD_REFUSED = "ollama cloud is disabled: remote model is unavailable";

/** Status and message of `refusal` for a request that named `model`. */
export function wordRefusal(model: string, refusal: Refusal, unknown: NotFound): Worded {
  switch (refusal.kind) {
    case "unknown_model":
      return { status: 404, message: unknown(model) };
    case "no_node":
      return { status: 503, message: noNode(model, refusal.reasons) };
    case "pin_impossible":
      return { status: 404, message: refusal.message };
    case "all_failed":
      return refusal.timedOut
        ? { status: 504, message: `no node answered in time: ${listed(refusal.failures)}` }
        : { status: 503, message: `every node that was tried failed: ${listed(refusal.failures)}` };
    case "queue_full":
    case "queue_timeout":
      return { status: 503, message: BUSY };
    case "queue_share":
      return { status: 429, message: queueShare(refusal.waiting) };
    case "stopping":
      return { status: 503, message: "the hub is shutting down, please try again in a few seconds" };
    case "exhausted":
      return { status: 503, message: exhausted(refusal.message) };
    case "not_passed":
      return { status: refusal.status, message: refusal.message };
  }
}

/** What a caller is told that has as many waiting as it may. */
export function queueShare(waiting: number): string {
  return `${waiting} requests of yours wait already, which is your part of the queue: try again later`;
}

/** What a client is told that the hub itself has no room for, which is `why`. */
export function exhausted(why: string): string {
  return `the hub cannot take more at the moment, please try again: ${why}`;
}

function noNode(model: string, reasons: readonly string[]): string {
  const what = model === "" ? "this request" : `model '${model}'`;
  const why = reasons.length > 0 ? reasons.join("; ") : "no node has joined this hub";
  return `no node can serve ${what} now: ${why} (GET /nodes shows the state of every node)`;
}

function listed(failures: Extract<Refusal, { kind: "all_failed" }>["failures"]): string {
  return failures.map(({ nodeId, message }) => `${nodeId}: ${message}`).join("; ");
}
