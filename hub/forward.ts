/** One attempt: one request to one node, read as far as it takes to know what it is worth. */
import { failureWords } from "../shared/failure_words.ts";
import { type DeclineReason, HEADERS } from "../shared/protocol.ts";
import { type DeliverDeps, deliver, isOwnShortage, type RouteFailure } from "./deliver.ts";
import type { NodeRecord, Route, RouteTry } from "./fleet/node_record.ts";
import type { Job } from "./job.ts";
import { asAttemptError, type Line, type LineDeps, openLine } from "./line.ts";
import type { FailureKind } from "./policy/failover.ts";
import { type Answer, readAnswerOf } from "./read_answer.ts";
import type { Tickets } from "./trust/tickets.ts";

export interface ForwardDeps extends Omit<DeliverDeps, "onRoute">, LineDeps {
  readonly tickets: Tickets;
  readonly onRoute: (nodeId: string, route: Route, tried: RouteTry) => void;
}

export type AttemptOutcome =
  | { readonly kind: "answer"; readonly nodeId: string; readonly route: Route; readonly answer: Answer }
  /** Ollama refused the request itself. */
  | { readonly kind: "rejected"; readonly nodeId: string; readonly route: Route; readonly answer: Answer }
  | Failed
  /** The client left. */
  | { readonly kind: "cancelled"; readonly route: Route | null };

export interface Failed {
  readonly kind: "failed";
  readonly nodeId: string;
  readonly failure: FailureKind;
  readonly route: Route | null;
  /** In words, for the log and the client. */
  readonly message: string;
  /** The node's status, or 502, 503, 504 where it gave none. */
  readonly status: number;
  /** The node's own answer, where there was a whole one. */
  readonly answer?: Answer | undefined;
  readonly declined?: DeclineReason;
  /** Milliseconds to leave the node alone, where it said so. */
  readonly restMs?: number;
}

/**
 * Sends `job` to `node` by its `routes` and waits for what decides: the whole answer, or of a stream the first frame.
 * Never throws; nothing is left running on the node unless the outcome is an answer with a rest.
 */
export async function forward(
  job: Job,
  node: NodeRecord,
  routes: readonly Route[],
  deps: ForwardDeps,
): Promise<AttemptOutcome> {
  const line = openLine(job, node, deps);
  let outcome = await attempt(job, node, routes, line, deps);
  // It left while the model was loading, and the load was let finish.
  if (job.signal.aborted) outcome = { kind: "cancelled", route: outcome.route };
  if (outcome.kind !== "answer" || outcome.answer.rest === null) line.close();
  return outcome;
}

async function attempt(
  job: Job,
  node: NodeRecord,
  routes: readonly Route[],
  line: Line,
  deps: ForwardDeps,
): Promise<AttemptOutcome> {
  let route: Route | null = null;
  try {
    const headers = { ...job.headers, [HEADERS.requestId]: job.id, [HEADERS.nodeId]: node.id };
    const ticket = deps.tickets.for(node, { id: job.id, method: "POST", path: job.path, body: job.body });
    const delivery = await deliver(
      routes,
      { path: job.path, headers, ticket, body: job.body, signal: line.signal },
      { fetch: deps.fetch, times: deps.times, onRoute: (dialled, tried) => deps.onRoute(node.id, dialled, tried) },
    );
    // Ended while it was dialling: that says nothing about the node's addresses.
    line.signal.throwIfAborted();
    if (delivery.kind === "not_sent") return notSent(node.id, delivery.failures);
    route = delivery.route;
    const outcome = await readAnswerOf(job, { nodeId: node.id, route }, await delivery.response, line);
    if (outcome.kind !== "failed" || outcome.declined !== "wrong_node") return outcome;
    // That address is another node's now: the next request tries this one's others first.
    deps.onRoute(node.id, route, "failed");
    return { ...outcome, status: 503 };
  } catch (error) {
    if (job.signal.aborted) return { kind: "cancelled", route };
    const { failure, message, status } = asAttemptError(line.signal.aborted ? line.signal.reason : error);
    return { kind: "failed", nodeId: node.id, failure, route, message, status };
  }
}

/** The failure of an attempt for which no route connected. */
export function notSent(nodeId: string, failures: readonly RouteFailure[]): Failed {
  if (failures.some(({ error }) => isOwnShortage(error))) {
    const message = "the hub has no file descriptors left; raise its limit (ulimit -n)";
    return { kind: "failed", nodeId, failure: "hub_exhausted", route: null, message, status: 503 };
  }
  const last = failures.at(-1);
  const message = failures
    .map(({ route, error }) => `${route.family} ${route.origin}: ${failureWords(error)}`)
    .join("; ");
  return { kind: "failed", nodeId, failure: "unreachable", route: last?.route ?? null, message, status: 503 };
}
