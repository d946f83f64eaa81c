/** Why a request got the node it got, or none: a decision as people and pages read it. */
import { CRITERIA } from "./criteria.ts";
import { type Decision, firstDifference, type RouteFacts } from "./decision.ts";
import { passesSoon } from "./eligibility.ts";
import { summaryOf, whyInWords } from "./explain_words.ts";

/** What a decision was about, for its explanation. */
export interface About {
  /** As the client wrote it; null where it named none. */
  readonly model: string | null;
  readonly endpoint: string;
  /** Wall time of the decision. */
  readonly at: Date;
}

/** A decision as people and pages read it: the JSON of `POST /explain`. */
export type Explanation = ReturnType<typeof explain>;

/** `decision` in words; `dialOrder` gives a node's routes in the order in which they would be dialled. */
export function explain<Route extends RouteFacts>(
  decision: Decision<Route>,
  { model, endpoint, at }: About,
  dialOrder: (routes: readonly Route[]) => readonly Route[],
) {
  const { policy, outcome, nodeId, ranked, others, notShown } = decision;
  const hidden: { readonly not_shown?: number | undefined } = notShown > 0 ? { not_shown: notShown } : {};
  return {
    model,
    endpoint,
    at: at.toISOString(),
    outcome,
    node_id: nodeId,
    summary: summaryOf(decision),
    policy,
    order: CRITERIA[policy].map(({ name, meaning }) => ({ name, meaning })),
    nodes: [...ranked, ...others].map((node, index) => ({
      node_id: node.id,
      rank: index < ranked.length ? index + 1 : null,
      eligible: node.reason === null,
      reason: node.reason,
      why: whyInWords(node),
      passes_soon: node.reason !== null && passesSoon(node.reason),
      values: {
        heartbeat: node.heartbeat,
        active_jobs: node.activeJobs,
        slots: node.slots,
        in_memory: node.inMemory,
        loading: node.loading,
        first_token_ms: node.firstTokenMs === null ? null : Math.round(node.firstTokenMs),
        cpu: node.cpu,
        failures: node.failures,
      },
      decided_by: index < ranked.length ? firstDifference(policy, ranked[index - 1], node) : null,
      held_back: node.heldBack,
      routes: dialOrder(node.routes).map(({ family, address, reachable, rttMs }) => ({
        family,
        address,
        reachable,
        rtt_ms: rttMs === null ? null : Math.round(rttMs * 100) / 100,
      })),
    })),
    ...hidden,
  };
}
