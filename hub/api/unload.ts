/** Taking a model out of memory: the same request to every node that has it there, and one answer. */
import { HEADERS } from "../../shared/protocol.ts";
import { type DispatchDeps, dispatch } from "../dispatch.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import type { Job } from "../job.ts";
import { isLoading, whyNot } from "../policy/eligibility.ts";
import type { OpenRecord, RequestEnd } from "../request_log.ts";

/**
 * Sends `job`, a request to unload its model, to every node that has the model in memory or is bringing it there; where
 * none is, to any that could, since Ollama says "unload" to that too. Answers as the first node that did it, or as one
 * that did not.
 */
export async function unloadEverywhere(job: Job, hub: DispatchDeps): Promise<Response> {
  const holders = holdersOf(job, hub);
  if (holders.length < 2) return dispatch(pinned(job, holders[0]?.id ?? job.needs.nodeId), hub);
  const { record, close } = oneRecordForMany(job.record);
  const answers = await Promise.all(holders.map(({ id }) => dispatch(pinned({ ...job, record }, id), hub)));
  const answer = answers.find(({ ok }) => ok) ?? answers[0];
  if (!answer) throw new Error("no node was asked");
  close(answer.status);
  answer.headers.set(HEADERS.attempts, String(record.attempts));
  for (const other of answers) if (other !== answer) await other.body?.cancel();
  return answer;
}

/** The nodes that have the model of `job` in memory, or are bringing it there, and may be asked. */
export function holdersOf(
  { key, needs }: Pick<Job, "key" | "needs">,
  { registry, liveness }: Pick<DispatchDeps, "registry" | "liveness">,
): NodeRecord[] {
  const now = registry.now();
  const request = { model: key, tried: new Set<string>(), needs, digest: null, waiting: 0 };
  return Array.from(registry.all()).filter((node) => {
    const reason = whyNot(node, request, now, liveness);
    return (node.loaded.has(key) || isLoading(node, key)) && (reason === null || reason === "ejected");
  });
}

function pinned(job: Job, nodeId: string | null): Job {
  return { ...job, needs: { ...job.needs, nodeId } };
}

/** A record that keeps open until all have ended: its first end would close it for the rest. */
function oneRecordForMany(whole: OpenRecord): { record: OpenRecord; close: (status: number) => void } {
  const ends: RequestEnd[] = [];
  const record: OpenRecord = {
    // They go to several nodes at once.
    sendingTo: () => {},
    decided: (decision) => whole.decided(decision),
    attempted: (attempt) => whole.attempted(attempt),
    brokeOff: (nodeId, outcome, error) => whole.brokeOff(nodeId, outcome, error),
    get attempts() {
      return whole.attempts;
    },
    queuedAt: (position) => whole.queuedAt(position),
    get queuePosition() {
      return whole.queuePosition;
    },
    waited: (ms) => whole.waited(ms),
    get waitedMs() {
      return whole.waitedMs;
    },
    firstByte: (status) => whole.firstByte(status),
    sent: (bytes) => whole.sent(bytes),
    tokens: (prompt, completion) => whole.tokens(prompt, completion),
    note: (words) => whole.note(words),
    finish: (end) => void ends.push(end),
  };
  return {
    record,
    close(status) {
      const errors = ends.flatMap(({ error }) => error ?? []);
      whole.finish({ status, error: errors.length > 0 ? errors.join("; ") : null });
    },
  };
}
