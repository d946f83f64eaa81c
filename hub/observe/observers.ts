/** Everything that watches the hub at work and changes nothing of it: log, request log, dashboard, statistics, figures. */
import { type Clock, systemClock } from "../../shared/clock.ts";
import type { Logger } from "../../shared/log.ts";
import { VERSION } from "../../shared/version.ts";
import { describeAccess, type Gate } from "../access/gate.ts";
import { briefOf } from "../api/logs.ts";
import { describeNode } from "../api/nodes.ts";
import { describeQueue } from "../api/queue.ts";
import type { BodyBudget } from "../body_budget.ts";
import type { WaitingRoom } from "../capacity.ts";
import type { HubConfig } from "../config.ts";
import type { DigestWatch } from "../fleet/digest_watch.ts";
import type { FleetEvent } from "../fleet/fleet_event.ts";
import type { LivenessLimits } from "../policy/liveness.ts";
import type { Registry } from "../registry.ts";
import { createRequestLog, type RequestRecord } from "../request_log.ts";
import { createHappenings } from "./happenings.ts";
import { createLive } from "./live.ts";
import { createHubMetrics } from "./metrics.ts";
import { STEP_MS } from "./stat_series.ts";
import { createStats } from "./stats.ts";

export interface ObserversDeps {
  readonly clock: Clock;
  /** The clock of the machine: a hub that stood still is seen by its figures. */
  readonly machineClock: Clock | undefined;
  readonly config: Pick<HubConfig, "logPrompts" | "heartbeatTtl">;
  readonly log: Logger;
  readonly bootId: string;
  readonly registry: Registry;
  readonly waitingRoom: WaitingRoom;
  readonly liveness: LivenessLimits;
  readonly digests: DigestWatch;
  readonly bodyBudget: BodyBudget;
  readonly gate: Gate;
  /** Whether a request that ends now is counted for Prometheus. */
  readonly countsRequests: () => boolean;
}

/** Begins to watch. `tell` is told what happens in the fleet; `stop` ends all of it. */
export function createObservers(deps: ObserversDeps) {
  const { clock, machineClock = systemClock, config, log, bootId, registry, waitingRoom } = deps;
  const { liveness, digests, bodyBudget, gate, countsRequests } = deps;
  const happenings = createHappenings(clock);
  const requestLog = createRequestLog({
    clock,
    keepPrompts: config.logPrompts,
    onFinish: (record, request) => {
      logRequest(log, record);
      stats.finished(record, request);
      live.finished(() => briefOf(record));
      if (countsRequests()) metrics.finished(record, request);
    },
    onFirstByte: (request) => stats.began(request),
  });
  const live = createLive({
    clock,
    hello: {
      boot_id: bootId,
      version: VERSION,
      started_at: clock.wall().toISOString(),
      ttl_s: config.heartbeatTtl,
      stale_s: liveness.staleMs / 1000,
      step_s: STEP_MS / 1000,
      get access() {
        return describeAccess(gate);
      },
    },
    nodes: () => Array.from(registry.all(), (node) => describeNode(node, clock.now(), { liveness, digests, registry })),
    queue: () => describeQueue({ registry, waitingRoom, liveness, bodyBudget }),
    running: requestLog.running,
    happenings: happenings.newest,
  });
  const stats = createStats({
    clock,
    random: Math.random,
    running: requestLog.running,
    nodes: registry.all,
    waiting: () => waitingRoom.length,
    onStep: live.stepped,
  });
  const metrics = createHubMetrics({
    clock: machineClock,
    registry,
    liveness,
    waitingRoom,
    requestLog,
    bodyBudget,
    live,
  });

  return {
    requestLog,
    live,
    stats,
    metrics,
    tell(event: FleetEvent): void {
      logFleetEvent(log, event);
      live.happened(happenings.add(event));
      metrics.happened(event);
    },
    stop(): void {
      stats.stop();
      metrics.stop();
      live.stop();
    },
  };
}

function logFleetEvent(log: Logger, { event, nodeId, detail }: FleetEvent): void {
  const level =
    event === "ejected" || event === "offline" || event === "lost" || event === "impostor" ? "warn" : "info";
  log[level]({ node_id: nodeId, detail }, event === "intent" ? `node is ${detail}` : `node ${event}`);
}

/** One line a request, without what the client asked. */
function logRequest(log: Logger, { request_json: _, timestamp: __, ...record }: RequestRecord): void {
  log[record.success ? "info" : "warn"](record, "request");
}
