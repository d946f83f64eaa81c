/** A job as far as placing it goes: what of it, and of the fleet, decides where it is sent. */

import type { WaitingRoom } from "./capacity.ts";
import type { Conversations } from "./conversations.ts";
import type { NodeRecord } from "./fleet/node_record.ts";
import type { Job } from "./job.ts";
import type { LbPolicy } from "./policy/criteria.ts";
import { type Placement, understands } from "./policy/eligibility.ts";
import type { Registry } from "./registry.ts";

export interface PlacementDeps {
  readonly policy: LbPolicy;
  readonly registry: Registry;
  readonly waitingRoom: WaitingRoom;
  readonly conversations: Conversations;
}

/** The waiting room has no place for the job, or it has waited there for as long as it may. */
export type LastLook = "no room" | "no time";

/** What became of the job until now. */
interface History {
  /** Nodes at which it failed. */
  readonly tried: ReadonlySet<string>;
  /** It waits, or a node has had it. */
  readonly accepted: boolean;
  /** Milliseconds for which it has waited. */
  readonly waitedMs: number;
  /** Milliseconds until it would wait in vain, whatever room there is. */
  readonly restMs?: number;
  /** Why it cannot wait, or not any longer: it takes what is free, or is refused. */
  readonly lastLook?: LastLook | null;
}

const NEW: History = { tried: new Set(), accepted: false, waitedMs: 0 };

/** `job` as far as placing it goes. */
export function placement(
  job: Pick<Job, "key" | "needs" | "continuity" | "loadOptions">,
  { policy, registry, waitingRoom, conversations }: PlacementDeps,
  { tried, accepted, waitedMs, restMs = Number.POSITIVE_INFINITY, lastLook = null }: History = NEW,
): Placement {
  const { key: model, needs, loadOptions = "" } = job;
  return {
    policy,
    model,
    tried,
    needs,
    digest: conversations.digestFor(job),
    mayChangeDigest: job.continuity.kind === "conversation",
    waiting: waitingRoom.waitingFor(model),
    accepted,
    waitedMs,
    patienceMs: lastLook !== null ? 0 : Math.min(waitingRoom.timeoutMs, waitedMs + restMs),
    // Not where the room is full: an ejected node would get all that is too much.
    takesLastResort: lastLook === "no time",
    expected: policy === "first-token" ? registry.expected(model) : null,
    loadOptions,
    lastNode: conversations.lastNodeOf(job),
  };
}

/** True when there are nodes that this request cannot use and those behind it in the waiting room can. */
export function isChoosy({ model, tried, needs, digest }: Placement, nodes: Iterable<NodeRecord>): boolean {
  if (tried.size > 0 || needs.nodeId !== null || digest !== null) return true;
  // Nor can one that an agent of an earlier version does not understand.
  for (const node of nodes) if (node.models.has(model) && !understands(node, needs)) return true;
  return false;
}
