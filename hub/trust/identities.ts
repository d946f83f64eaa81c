/** The hub's own identity and what it knows of its nodes' keys: who may speak for which name, and how nodes know the hub. */
import type { Clock } from "../../shared/clock.ts";
import { loadIdentity, readRotations } from "../../shared/identity.ts";
import type { Logger } from "../../shared/log.ts";
import type { HubConfig } from "../config.ts";
import type { FleetEvent } from "../fleet/fleet_event.ts";
import type { LivenessLimits } from "../policy/liveness.ts";
import type { Registry } from "../registry.ts";
import { createJoinTokens } from "./join_tokens.ts";
import { createNodeKeys } from "./node_keys.ts";
import { createTickets } from "./tickets.ts";

export interface IdentitiesDeps {
  readonly config: Pick<HubConfig, "stateDir" | "join">;
  readonly bootId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
  readonly liveness: LivenessLimits;
  readonly tell: (event: FleetEvent) => void;
}

/** Reads what STATE_DIR holds of it, and makes what is not there. Throws an Error that names a file that is broken. */
export function openIdentities({ config, bootId, clock, log, registry, liveness, tell }: IdentitiesDeps) {
  const { stateDir } = config;
  const identity = loadIdentity(stateDir, "hub");
  if (identity.warning !== null) log.warn(identity.warning);
  const joinTokens = createJoinTokens({
    stateDir,
    hubId: identity.id,
    mode: config.join,
    wall: clock.wall,
    now: clock.now,
  });
  const nodeKeys = createNodeKeys({
    identity,
    rotations: identity.kept ? readRotations(stateDir, "hub") : [],
    stateDir,
    bootId,
    clock,
    joinTokens,
    isPresent(id) {
      const node = registry.get(id);
      return node !== undefined && node.intent !== "left" && clock.now() - node.lastHeardAt < liveness.expiredMs;
    },
    onImpostor(nodeId, detail) {
      registry.spokenFor(nodeId, detail);
      tell({ event: "impostor", nodeId, detail });
    },
    onForgotten(nodeId) {
      registry.forget(nodeId);
      log.warn({ node_id: nodeId }, `node ${nodeId} and its key were forgotten`);
    },
    log,
  });
  return { identity, joinTokens, nodeKeys, tickets: createTickets({ identity, bootId, now: clock.now }) };
}
