/** What one look for a node costs, by the size of the fleet: every node has the same 20 models, the worst there is. */
import { createWaitingRoom } from "../../hub/capacity.ts";
import { createConversations } from "../../hub/conversations.ts";
import { placement } from "../../hub/placement.ts";
import { LB_POLICIES, type LbPolicy } from "../../hub/policy/criteria.ts";
import { lookAround } from "../../hub/policy/crowd.ts";
import { judge } from "../../hub/policy/decision.ts";
import { systemClock } from "../../shared/clock.ts";
import { modelKey } from "../../shared/model_name.ts";
import { fleetAtWork, LIVENESS, MODELS, modelName } from "./fleet.ts";
import { microseconds, type Row } from "./table.ts";

const TARGETS_US: Readonly<Record<number, number>> = { 10: 5, 1000: 50, 10000: 100 };
const NEEDS = { capability: "ollama", nodeId: null, slot: true } as const;

export function selection(): Row[] {
  return Object.entries(TARGETS_US).flatMap(([count, target]) => rowsOf(Number(count), target));
}

function rowsOf(count: number, target: number): Row[] {
  const rounds = Math.max(5, Math.round(20_000 / count));
  const rows: Row[] = LB_POLICIES.map((policy) => {
    const { step } = prepared(count, policy);
    return {
      what: `${count} nodes, ${policy}: one selection`,
      value: microseconds(() => step(false), rounds),
      unit: "µs",
      target: ["<=", target],
    };
  });
  const whole = prepared(count, "first-token");
  rows.push({
    what: `${count} nodes: the same, kept for the log, reserved and released`,
    value: microseconds(() => whole.step(true), rounds),
    unit: "µs",
  });
  const busy = prepared(count, "first-token");
  busy.fill();
  rows.push({
    what: `${count} nodes that are all full: finding that out`,
    value: microseconds(() => busy.step(false), rounds),
    unit: "µs",
  });
  const fewer = prepared(count, "first-token", MODELS * 20);
  rows.push({
    what: `${count} nodes of which a twentieth has the model: one selection`,
    value: microseconds(() => fewer.step(false), rounds),
    unit: "µs",
  });
  return rows;
}

/** A request for each of the models in turn, as hub/dispatch.ts looks for its node. */
function prepared(count: number, policy: LbPolicy, catalogue = MODELS) {
  const clock = systemClock;
  const registry = fleetAtWork(count, clock, catalogue);
  const waitingRoom = createWaitingRoom({ clock, size: 512, timeoutMs: 120_000 });
  const hub = { policy, registry, waitingRoom, conversations: createConversations(registry) };
  let turn = 0;
  return {
    /** Gives every slot away. */
    fill(): void {
      for (const { id, slots } of registry.all()) for (let slot = 0; slot < slots; slot++) registry.reserve(id);
    },
    step(whole: boolean): void {
      const key = modelKey(modelName(turn++ % MODELS));
      const continuity = { kind: "conversation", id: String(turn), begun: false } as const;
      const request = placement({ key, needs: NEEDS, continuity }, hub);
      const seen = lookAround(registry.crowd(key), request, registry.now(), LIVENESS);
      if (!whole) return;
      if (seen.choice.kind !== "node") throw new Error(seen.choice.kind);
      judge(seen, { newcomer: true, fleet: registry });
      registry.reserve(seen.choice.node.id, key).release();
    },
  };
}
