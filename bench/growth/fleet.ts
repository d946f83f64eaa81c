/** Fleets of any size in a registry of the hub's own, at work and measured. */

import type { Reservation } from "../../hub/fleet/reservation.ts";
import { createRegistry, type Registry } from "../../hub/registry.ts";
import type { Clock } from "../../shared/clock.ts";
import { modelKey } from "../../shared/model_name.ts";
import { type HeartbeatBody, heartbeat } from "../../shared/protocol.ts";
import { seededRandom } from "../../shared/testing/lab/seeded_random.ts";

export const MODELS = 20;
export const LIVENESS = { staleMs: 60_000, expiredMs: 90_000, goneMs: 180_000 };

export const modelName = (index: number) => `model-${index}:latest`;

/** The heartbeat of node `index`, which has 20 of `catalogue` models and two of these in memory. */
export function beatOf(index: number, catalogue = MODELS): HeartbeatBody {
  const first = (index * MODELS) % catalogue;
  const models = Array.from({ length: MODELS }, (_, each) => modelName((first + each) % catalogue));
  return {
    node_id: `node-${index}`,
    ipv4: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
    ipv6: null,
    port: 8001,
    models,
    metadata: { hostname: `machine-${index}`, platform: "linux" },
    load: { cpu: ((index * 37) % 100) / 100, memory: 0.5 },
    boot_id: `boot-${index}`,
    agent_version: "0.1.0",
    capabilities: ["execute", "ollama"],
    loaded: [models[index % MODELS] ?? "", models[(index * 7 + 1) % MODELS] ?? ""],
    tags: models.map((name) => ({
      name,
      digest: `sha256:${Bun.hash(name).toString(16).padStart(16, "0").repeat(4)}`,
      size: 4_900_000_000,
      modified_at: new Date(1_767_225_600_000 + index * 60_000).toISOString(),
      details: { family: "llama", parameter_size: "8.0B", quantization_level: "Q4_K_M" },
    })),
    ollama: { ok: true, version: "0.12.0" },
    slots: 4,
  } as HeartbeatBody;
}

/** `count` nodes of which 0 to 4 slots are in use, and every other one has been measured. */
export function fleetAtWork(count: number, clock: Clock, catalogue = MODELS): Registry {
  const registry = createRegistry({ clock, liveness: LIVENESS, ejection: { maxFailures: 3 }, ipPreference: "ipv4" });
  const random = seededRandom(1);
  for (let index = 0; index < count; index++) {
    const beat = beatOf(index, catalogue);
    registry.heartbeat(heartbeat.parse(beat), null);
    const reservations: Reservation[] = [];
    for (let used = random.whole(0, 4); used > 0; used--) {
      const model = modelKey(beat.loaded?.[used % 2] ?? "");
      const reservation = registry.reserve(beat.node_id, model);
      reservations.push(reservation);
      if (index % 2 === 0) reservation.answered(200 + random.whole(0, 2_000));
    }
  }
  for (let model = 0; model < catalogue; model++) registry.succeeded("node-0", 4_000, modelKey(modelName(model)));
  return registry;
}
