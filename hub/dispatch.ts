/** The request path: one client request becomes one committed answer, or one honest refusal. */
import type { Clock } from "../shared/clock.ts";
import { clientLeft, commit, conclude, refuse } from "./answer.ts";
import type { Ticket, WaiterOptions } from "./capacity.ts";
import type { Comeback } from "./fleet/comeback.ts";
import { type Failed, type ForwardDeps, forward } from "./forward.ts";
import type { Job, Refusal } from "./job.ts";
import { isChoosy, type PlacementDeps, placement } from "./placement.ts";
import { judge } from "./policy/decision.ts";
import { whyNotHolder } from "./policy/eligibility.ts";
import { RULES } from "./policy/failover.ts";
import type { LivenessLimits } from "./policy/liveness.ts";
import { look } from "./policy/selection.ts";
import { waitingFacts } from "./queue_facts.ts";
import type { RelayDeps } from "./relay.ts";
import type { Retries } from "./retries.ts";
import { learnFromEnd, learnFromFailure, recordAttempt } from "./verdict.ts";

export interface DispatchDeps extends ForwardDeps, RelayDeps, PlacementDeps {
  readonly clock: Clock;
  readonly retries: Retries;
  readonly liveness: LivenessLimits;
  readonly comeback: Pick<Comeback, "heard" | "underWay">;
}

/** Serves `job` by whatever node can. Resolves once the answer is committed. */
export async function dispatch(job: Job, hub: DispatchDeps): Promise<Response> {
  const { registry, waitingRoom, clock } = hub;
  const tried = new Set<string>();
  const failures: Failed[] = [];
  using retries = hub.retries.open(job);
  let ticket: Ticket | null = null;
  try {
    for (;;) {
      // See, filter, choose. From here to `reserve` nothing awaits, so two requests cannot take the same last slot.
      const accepted = ticket !== null || failures.length > 0;
      const request = placement(job, hub, { tried, accepted, waitedMs: job.record.waitedMs });
      const seen = look(registry.having(job.key), request, registry.now(), hub.liveness, whyNotHolder);
      const { choice } = seen;
      if (ticket === null || choice.kind !== "wait")
        job.record.decided(judge(seen, { newcomer: ticket === null, fleet: registry }));
      if (choice.kind === "none") return conclude(job, failures, hub);
      if (choice.kind === "wait" || (ticket === null && job.needs.slot && waitingRoom.hasWaiters(job.key))) {
        ticket ??= waitingRoom.enter(job.key, job.signal, waiterOptions(job, failures));
        if (ticket === null) return refuse(job, noRoom(job, hub));
        job.record.queuedAt(ticket.position);
        const waitsSince = clock.now();
        const declines = choice.kind === "wait" && choice.leavesFree;
        const turn = await ticket.turn(declines || isChoosy(request, registry.having(job.key)));
        job.record.waited(clock.now() - waitsSince);
        if (turn === "look" && clock.now() < job.deadlineAt) continue;
        if (turn === "left") return clientLeft(job, "while it waited for a free slot");
        if (turn === "stopping") return refuse(job, { kind: "stopping" });
        return refuse(job, { kind: "queue_timeout", ...waitingFacts(job, hub) });
      }
      const { node } = choice;
      const reservation = registry.reserve(node.id, job.key, job.needs.slot, job.id, job.loadOptions);
      ticket?.leave();
      ticket = null;

      const sentAt = clock.now();
      job.record.sendingTo(node.id);
      const outcome = await forward(job, node, registry.routesOf(node), hub);
      recordAttempt(job, node, outcome, clock.now() - sentAt);

      if (outcome.kind === "answer" || outcome.kind === "rejected") {
        if (outcome.kind === "answer")
          reservation.answered(job.stream ? clock.now() - sentAt : null, outcome.answer.hasToken === true);
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
  } finally {
    ticket?.leave();
  }
}

function waiterOptions({ record, needs, deadlineAt, caller }: Job, failures: readonly Failed[]): WaiterOptions {
  const letIn = failures.length > 0;
  return { front: letIn || !needs.slot, letIn, waitedMs: record.waitedMs, deadlineAt, caller };
}

/** Why the waiting room takes one more of this job's caller not. */
function noRoom(job: Job, hub: DispatchDeps): Refusal {
  const { retryAfterSeconds, waiting } = waitingFacts(job, hub);
  if (!hub.waitingRoom.hasItsShare(job.caller)) return { kind: "queue_full", retryAfterSeconds, waiting };
  return { kind: "queue_share", retryAfterSeconds, waiting: hub.waitingRoom.waitingOf(job.caller.id) };
}
