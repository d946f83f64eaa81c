/** What an attempt's outcome teaches about its node, and what is written down of it. */
import { isSameSpelling } from "../shared/model_name.ts";
import { withoutQuery } from "../shared/ollama_routes.ts";
import { CLIENT_CLOSED_REQUEST, PATHS } from "../shared/protocol.ts";
import type { NodeRecord, Route } from "./fleet/node_record.ts";
import type { Reservation } from "./fleet/reservation.ts";
import type { AttemptOutcome, Failed } from "./forward.ts";
import type { Job } from "./job.ts";
import { type FailureKind, RULES, readErrorLine } from "./policy/failover.ts";
import type { Answer } from "./read_answer.ts";
import type { Registry } from "./registry.ts";
import type { RelayEnd } from "./relay.ts";
import type { AttemptRecord } from "./request_log.ts";

/** Writes the attempt into the request's story. */
export function recordAttempt(job: Job, node: NodeRecord, outcome: AttemptOutcome, ms: number): void {
  const kind = outcome.kind === "answer" ? "ok" : outcome.kind === "failed" ? outcome.failure : outcome.kind;
  const error = outcome.kind === "failed" ? outcome.message : null;
  job.record.attempted(attemptOf(node.id, outcome.route, job.path, { outcome: kind, error, ms }));
}

/** What is written down of an attempt at `path` of a node, which took `ms` milliseconds; `route` is null where none connected. */
export function attemptOf(
  nodeId: string,
  route: Route | null,
  path: string,
  { outcome, error, ms }: { readonly outcome: string; readonly error: string | null; readonly ms: number },
): AttemptRecord {
  return {
    node_id: nodeId,
    ip_version: route?.family ?? null,
    node_url: route ? route.origin + withoutQuery(path) : null,
    outcome,
    error,
    duration_ms: Math.round(ms * 10) / 10,
  };
}

/** What the attempt's first token, `ms` after it was sent, tells of the node's pace, or that none came for so long. */
export function learnFromFirstToken(
  job: Job,
  outcome: AttemptOutcome,
  reservation: Reservation,
  ms: number,
  registry: Registry,
): void {
  if (outcome.kind === "answer") {
    const { hasToken = false, writingMs = null } = outcome.answer;
    // Of a whole answer the time it was written in has to be told: it comes when all of it is.
    const firstTokenMs = job.stream || writingMs !== null ? ms - (writingMs ?? 0) : null;
    // Written for longer than it took: the hub stood still meanwhile, or the node counts in a way of its own.
    reservation.answered(firstTokenMs !== null && firstTokenMs >= 0 ? firstTokenMs : null, hasToken);
  } else if (outcome.kind === "cancelled" || (outcome.kind === "failed" && outcome.failure === "first_byte_timeout")) {
    reservation.unanswered(ms, job.stream ? ms : ms * usualPart(job, registry));
  }
}

/** The part that the first token usually has of a whole answer's time. */
function usualPart({ key }: Job, registry: Registry): number {
  const expected = registry.expected(key);
  return expected === null ? 0 : expected.firstTokenMs / Math.max(1, expected.serviceMs);
}

/** What a failed attempt means for the node's place in the fleet. Answers are judged when they are whole. */
export function learnFromFailure(job: Job, failed: Failed, registry: Registry): void {
  const { nodeId } = failed;
  if (RULES[failed.failure].counts) registry.failed(nodeId, failed.message, suspectOf(job, failed.failure));
  if (RULES[failed.failure].doubts) registry.doubt(nodeId);
  switch (failed.failure) {
    case "model_missing": {
      // One route of Ollama's minds the case of a name; that it found nothing says nothing about the model then.
      const listed = registry.get(nodeId)?.modelNames.some((name) => isSameSpelling(name, job.model));
      if (listed) registry.disbelieve(nodeId, job.key);
      return;
    }
    case "out_of_memory":
      return registry.unfit(nodeId, job.key, job.loadOptions);
    case "busy":
      return registry.rest(nodeId, failed.restMs ?? null);
    case "declined":
      if (failed.declined === "draining" || failed.declined === "ollama_down") {
        registry.declined(nodeId, failed.declined);
      }
      // It asks the hub for its time at once; until it has it, it can do nothing for us.
      if (failed.declined === "ticket") registry.rest(nodeId, null);
      return;
  }
}

/** How an attempt was sent that got an answer: beside how many others at that node, and how long before its end. */
export interface Sent extends Pick<Reservation, "atNode"> {
  readonly ms: number;
}

/** What the end of a committed answer means: for the node's trust and slots, and for the request's record. */
export function learnFromEnd(
  job: Job,
  { nodeId, answer: { status } }: { readonly nodeId: string; readonly answer: Pick<Answer, "status"> },
  { atNode, ms }: Sent,
  end: RelayEnd,
  registry: Registry,
): void {
  switch (end.kind) {
    case "client left":
      return job.record.finish({ status: CLIENT_CLOSED_REQUEST, error: `the client left: ${end.why}` });
    case "cut":
      if (RULES[end.error.failure].counts) {
        registry.failed(nodeId, end.error.message, suspectOf(job, end.error.failure));
      }
      if (RULES[end.error.failure].doubts) registry.doubt(nodeId);
      job.record.brokeOff(nodeId, end.error.failure, end.error.message);
      return job.record.finish({ status, error: end.error.message });
    case "whole":
      if (end.end?.kind === "error") {
        learnFromErrorLine(job, nodeId, end.end.message, registry);
        return job.record.finish({ status, error: end.end.message });
      }
      // A question that ran no model says nothing about how long requests take, nor that the node can run one.
      if (status < 300 && job.needs.slot) registry.succeeded(nodeId, ms, job.key, job.loadOptions);
      if (end.end?.kind === "done") {
        const { promptTokens, completionTokens, slotWaitMs } = end.end;
        job.record.tokens(promptTokens, completionTokens);
        if (slotWaitMs !== null && atNode > 0) {
          registry.waitedForSlot(nodeId, { waitMs: slotWaitMs, totalMs: ms, atNode });
        }
      }
      return job.record.finish({ status, error: status < 400 ? null : `the node answered ${status}` });
  }
}

/** Ollama ended a stream with an error of its own: read like the same error before the stream. */
function learnFromErrorLine(job: Job, nodeId: string, message: string, registry: Registry): void {
  const { kind } = readErrorLine(message);
  if (kind === "out_of_memory") registry.unfit(nodeId, job.key, job.loadOptions);
  else if (kind !== "rejected") registry.failed(nodeId, message, suspectOf(job, kind));
  job.record.brokeOff(nodeId, kind, message);
}

/** Ways to fail that no request can be the cause of. */
const NODES_OWN: ReadonlySet<FailureKind> = new Set(["unreachable", "node_lost"]);

/** The hash of the request that may be why a node failed so, or null. The id that /jobs puts into the body is left out. */
function suspectOf({ id, path, body }: Job, failure: FailureKind): string | null {
  if (NODES_OWN.has(failure)) return null;
  const at = path === PATHS.execute ? Buffer.from(body.buffer, body.byteOffset, body.byteLength).lastIndexOf(id) : -1;
  if (at < 0) return String(Bun.hash(body));
  return `${Bun.hash(body.subarray(0, at))} ${Bun.hash(body.subarray(at + Buffer.byteLength(id)))}`;
}
