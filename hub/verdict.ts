/** What an attempt's outcome teaches about its node, and what is written down of it. */
import { isSameSpelling } from "../shared/model_name.ts";
import type { AttemptOutcome, Failed } from "./forward.ts";
import type { Job } from "./job.ts";
import type { NodeRecord } from "./node_record.ts";
import { RULES, readErrorLine } from "./policy/failover.ts";
import type { Registry } from "./registry.ts";
import type { RelayEnd } from "./relay.ts";

/** Writes the attempt into the request's story. */
export function recordAttempt(job: Job, node: NodeRecord, outcome: AttemptOutcome, ms: number): void {
  job.record.attempted({
    node_id: node.id,
    ip_version: outcome.route?.family ?? null,
    node_url: outcome.route ? outcome.route.origin + job.path : null,
    outcome: outcome.kind === "answer" ? "ok" : outcome.kind === "failed" ? outcome.failure : outcome.kind,
    error: outcome.kind === "failed" ? outcome.message : null,
    duration_ms: Math.round(ms * 10) / 10,
  });
}

/** What a failed attempt means for the node's place in the fleet. Answers are judged when they are whole. */
export function learnFromFailure(job: Job, failed: Failed, registry: Registry): void {
  const { nodeId } = failed;
  if (RULES[failed.failure].counts) registry.failed(nodeId, failed.message);
  switch (failed.failure) {
    case "model_missing": {
      // One route of Ollama's minds the case of a name; that it found nothing says nothing about the model then.
      const listed = registry.get(nodeId)?.modelNames.some((name) => isSameSpelling(name, job.model));
      if (listed) registry.disbelieve(nodeId, job.key);
      return;
    }
    case "out_of_memory":
      return registry.unfit(nodeId, job.key);
    case "busy":
      return registry.rest(nodeId, failed.restMs ?? null);
    case "declined":
      if (failed.declined === "draining" || failed.declined === "ollama_down") {
        registry.declined(nodeId, failed.declined);
      }
      return;
  }
}

/** What the end of a committed answer means: for the node's trust, and for the request's record. */
export function learnFromEnd(
  job: Job,
  nodeId: string,
  status: number,
  end: RelayEnd,
  ms: number,
  registry: Registry,
): void {
  switch (end.kind) {
    case "client left":
      return job.record.finish({ status: 499, error: `the client left: ${end.why}` });
    case "cut":
      if (RULES[end.error.failure].counts) registry.failed(nodeId, end.error.message);
      return job.record.finish({ status, error: end.error.message });
    case "whole":
      if (end.end?.kind === "error") {
        learnFromErrorLine(job, nodeId, end.end.message, registry);
        return job.record.finish({ status, error: end.end.message });
      }
      // A question that ran no model says nothing about how long requests take, nor that the node can run one.
      if (status < 300 && job.needs.slot) registry.succeeded(nodeId, ms);
      if (end.end?.kind === "done") job.record.tokens(end.end.promptTokens, end.end.completionTokens);
      return job.record.finish({ status, error: status < 400 ? null : `the node answered ${status}` });
  }
}

/** Ollama ended a stream with an error of its own: read like the same error before the stream. */
function learnFromErrorLine(job: Job, nodeId: string, message: string, registry: Registry): void {
  const { kind } = readErrorLine(message);
  if (kind === "out_of_memory") registry.unfit(nodeId, job.key);
  else if (kind !== "rejected") registry.failed(nodeId, message);
}
