/** The request path: one client request becomes one committed answer, or one honest refusal. */
import type { Clock } from "../shared/clock.ts";
import { clientLeft, commit, conclude } from "./answer.ts";
import type { Comeback } from "./fleet/comeback.ts";
import { type Failed, type ForwardDeps, forward } from "./forward.ts";
import type { Job } from "./job.ts";
import { type PlacementDeps, placement } from "./placement.ts";
import { lookAround } from "./policy/crowd.ts";
import { judge } from "./policy/decision.ts";
import { RULES } from "./policy/failover.ts";
import type { LivenessLimits } from "./policy/liveness.ts";
import type { RelayDeps } from "./relay.ts";
import type { Retries } from "./retries.ts";
import { learnFromEnd, learnFromFailure, learnFromFirstToken, recordAttempt } from "./verdict.ts";
import { openWait } from "./wait.ts";

export interface DispatchDeps extends ForwardDeps, RelayDeps, PlacementDeps {
  readonly clock: Clock;
  readonly retries: Retries;
  readonly liveness: LivenessLimits;
  readonly comeback: Pick<Comeback, "heard" | "underWay">;
}

/** Serves `job` by whatever node can. Resolves once the answer is committed. */
export async function dispatch(job: Job, hub: DispatchDeps): Promise<Response> {
  const { registry, clock } = hub;
  const tried = new Set<string>();
  const failures: Failed[] = [];
  using retries = hub.retries.open(job);
  using wait = openWait(job, hub);
  for (;;) {
    // See, filter, choose. From here to `reserve` nothing awaits, so two requests cannot take the same last slot.
    const letIn = failures.length > 0;
    const request = placement(job, hub, {
      tried,
      accepted: wait.begun || letIn,
      waitedMs: job.record.waitedMs,
      restMs: job.deadlineAt - clock.now(),
      lastLook: wait.lastLook,
    });
    const seen = lookAround(registry.crowd(job.key), request, registry.now(), hub.liveness);
    const { choice } = seen;
    if (!wait.begun || choice.kind !== "wait")
      job.record.decided(judge(seen, { newcomer: !wait.begun, fleet: registry }));
    if (choice.kind === "none") return conclude(job, failures, hub);
    if (choice.kind === "wait" || wait.isBehindOthers()) {
      const leavesFree = choice.kind === "wait" && choice.leavesFree;
      const end = await wait.untilTurn({ request, leavesFree, letIn });
      if (end !== null) return end;
      continue;
    }
    const { node } = choice;
    const reservation = registry.reserve(node.id, job.key, job.needs.slot, job.id, job.loadOptions);
    wait.end();

    const sentAt = clock.now();
    job.record.sendingTo(node.id);
    const outcome = await forward(job, node, registry.routesOf(node), hub);
    recordAttempt(job, node, outcome, clock.now() - sentAt);
    learnFromFirstToken(job, outcome, reservation, clock.now() - sentAt, registry);

    if (outcome.kind === "answer" || outcome.kind === "rejected") {
      hub.conversations.servedBy(job, node);
      // Of the answer no more, which would be held by this for as long as it runs.
      const answered = { nodeId: node.id, answer: { status: outcome.answer.status } };
      return commit(job, node.id, outcome.answer, hub, (relayEnd) => {
        reservation.release();
        const { atNode } = reservation;
        learnFromEnd(job, answered, { atNode, ms: clock.now() - sentAt }, relayEnd, registry);
      });
    }
    if (outcome.kind === "cancelled") {
      reservation.release();
      return clientLeft(job, "before the first byte of the answer");
    }
    learnFromFailure(job, outcome, registry);
    reservation.release();
    failures.push(outcome);
    if (!RULES[outcome.failure].sameNodeLater) tried.add(node.id);
    if (!retries.mayFollow(failures)) return conclude(job, failures, hub);
  }
}
