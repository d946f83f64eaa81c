/** A registry on a fake clock with nodes that report to it, for tests. */
import { parseAddress } from "../../shared/address.ts";
import type { IpPreference } from "../../shared/address_order.ts";
import type { Clock } from "../../shared/clock.ts";
import { type HeartbeatBody, heartbeat, type NodeHealth } from "../../shared/protocol.ts";
import { type FakeClock, fakeClock } from "../../shared/testing/fake_clock.ts";
import { createAwakeClock } from "../awake_clock.ts";
import type { FleetEvent } from "../fleet/fleet_event.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import { createRegistry, type Registry } from "../registry.ts";
import { LIMITS } from "./node_facts.ts";

export interface Fleet {
  readonly clock: FakeClock;
  /** The same without the time in which the hub stood still; the registry's. */
  readonly awakeClock: Clock;
  readonly registry: Registry;
  readonly events: FleetEvent[];
  /** Milliseconds for which the hub stood still, each time. */
  readonly gaps: number[];
  /** How often the registry said that capacity may have changed. */
  capacityCalls(): number;
  /** Takes in a heartbeat of an agent of this version, changed by `changes`, from address `source`. */
  beat(changes?: Partial<HeartbeatBody>, source?: string | null): NodeRecord | null;
  /** The record of `id`. Throws when there is none. */
  node(id?: string): NodeRecord;
}

/** An empty fleet. `clock` replaces the fake one where a test wants to see other times. */
export function fakeFleet(options: { clock?: Clock; ipPreference?: IpPreference } = {}): Fleet {
  const clock = fakeClock();
  const events: FleetEvent[] = [];
  const gaps: number[] = [];
  let capacityCalls = 0;
  const awakeClock = createAwakeClock(options.clock ?? clock, (ms) => gaps.push(ms));
  const registry = createRegistry({
    clock: awakeClock,
    liveness: LIMITS,
    ejection: { maxFailures: 3 },
    ipPreference: options.ipPreference ?? "ipv6",
    onCapacity: () => capacityCalls++,
    onEvent: (event) => events.push(event),
  });
  return {
    clock,
    awakeClock,
    registry,
    events,
    gaps,
    capacityCalls: () => capacityCalls,
    beat: (changes = {}, source = null) =>
      registry.heartbeat(heartbeat.parse(heartbeatBody(changes)), source === null ? null : parseAddress(source)),
    node(id = "a") {
      const node = registry.get(id);
      if (!node) throw new Error(`no node ${id}`);
      return node;
    },
  };
}

/** The body of a heartbeat of an agent of this version. */
export function heartbeatBody(changes: Partial<HeartbeatBody> = {}): HeartbeatBody {
  return {
    node_id: "a",
    ipv4: "192.0.2.1",
    ipv6: "2001:db8::1",
    port: 8001,
    models: ["llama3"],
    boot_id: "boot-1",
    agent_version: "0.1.0",
    ...changes,
  };
}

/** What a node of this version answers to a probe. */
export function health(changes: Partial<NodeHealth> = {}): NodeHealth {
  return { status: "ok", node_id: "a", boot_id: "boot-1", ollama: { ok: true }, ...changes };
}
