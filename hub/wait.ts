/** One request's wait in the waiting room: how it enters, looks again, and what it is told when nothing comes of it. */
import type { Clock } from "../shared/clock.ts";
import { clientLeft, refuse } from "./answer.ts";
import type { Ticket, Turn } from "./capacity.ts";
import type { Job, Refusal } from "./job.ts";
import { isChoosy, type LastLook } from "./placement.ts";
import type { Placement } from "./policy/eligibility.ts";
import { type QueueDeps, waitingFacts } from "./queue_facts.ts";

export interface WaitDeps extends QueueDeps {
  readonly clock: Pick<Clock, "now">;
}

/** What a request saw that waits. */
export interface Seen {
  readonly request: Placement;
  /** Nodes were free that it left to others. */
  readonly leavesFree: boolean;
  /** A node has had it, and it was let in with that. */
  readonly letIn: boolean;
}

export interface Wait extends Disposable {
  /** It stands in the waiting room. */
  readonly begun: boolean;
  /** Why its next look is the last one; null while it may wait. */
  readonly lastLook: LastLook | null;
  /** True when others wait for the same model who look before it. */
  isBehindOthers(): boolean;
  /** Waits until it may look again: null then, else the answer that ends the request. */
  untilTurn(seen: Seen): Promise<Response | null>;
  /** It has found a place: whoever is next may look. Harmless at any time. */
  end(): void;
}

/** The wait of `job`, which has not begun. */
export function openWait(job: Job, hub: WaitDeps): Wait {
  const { registry, waitingRoom, clock } = hub;
  let ticket: Ticket | null = null;
  let lastLook: LastLook | null = null;

  function enter(letIn: boolean): Ticket | null {
    const { record, needs, deadlineAt, caller } = job;
    const options = { front: letIn || !needs.slot, letIn, waitedMs: record.waitedMs, deadlineAt, caller };
    return waitingRoom.enter(job.key, job.signal, options);
  }

  async function turnOf(entered: Ticket, passOn: boolean): Promise<Turn> {
    job.record.queuedAt(entered.position);
    const waitsSince = clock.now();
    const turn = await entered.turn(passOn);
    job.record.waited(clock.now() - waitsSince);
    return turn === "look" && clock.now() >= job.deadlineAt ? "timeout" : turn;
  }

  function end(): void {
    ticket?.leave();
    ticket = null;
  }

  return {
    get begun() {
      return ticket !== null;
    },
    get lastLook() {
      return lastLook;
    },
    isBehindOthers: () => ticket === null && job.needs.slot && waitingRoom.hasWaiters(job.key),
    async untilTurn({ request, leavesFree, letIn }) {
      ticket ??= enter(letIn);
      if (ticket === null) {
        if (lastLook !== null || !leavesFree) return refuse(job, noRoom(job, hub));
        // Nobody is refused beside a node that it only left free for a faster one.
        lastLook = "no room";
        return null;
      }
      const turn = await turnOf(ticket, leavesFree || isChoosy(request, registry.having(job.key)));
      if (turn === "look") return null;
      if (turn === "left") return clientLeft(job, "while it waited for a free slot");
      if (turn === "stopping") return refuse(job, { kind: "stopping" });
      if (lastLook === "no time" || clock.now() >= job.deadlineAt) {
        return refuse(job, { kind: "queue_timeout", ...waitingFacts(job, hub) });
      }
      // What it left free it may have now, were it an ejected node; and what time alone has freed since the last sweep.
      lastLook = "no time";
      return null;
    },
    end,
    [Symbol.dispose]: end,
  };
}

/** Why the waiting room takes one more of this job's caller not. */
function noRoom(job: Job, hub: WaitDeps): Refusal {
  const { retryAfterSeconds, waiting } = waitingFacts(job, hub);
  if (!hub.waitingRoom.hasItsShare(job.caller)) return { kind: "queue_full", retryAfterSeconds, waiting };
  return { kind: "queue_share", retryAfterSeconds, waiting: hub.waitingRoom.waitingOf(job.caller.id) };
}
