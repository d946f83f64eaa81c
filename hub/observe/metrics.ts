/** The hub's figures for Prometheus: what is counted of requests, and how the fleet and the hub are at the scrape. */
import type { Family } from "../../shared/address.ts";
import type { Clock } from "../../shared/clock.ts";
import { createMetrics, type Metrics } from "../../shared/metrics.ts";
import type { Sample } from "../../shared/series.ts";
import type { BodyBudget } from "../body_budget.ts";
import type { WaitingRoom } from "../capacity.ts";
import type { FleetEvent } from "../fleet/fleet_event.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import { type LivenessLimits, livenessOf } from "../policy/liveness.ts";
import { type NodeStatus, statusOf } from "../policy/node_status.ts";
import type { Registry } from "../registry.ts";
import type { RequestLog } from "../request_log.ts";
import type { Live } from "./live.ts";
import { createRequestFigures } from "./request_figures.ts";

export interface HubMetricsDeps {
  /** Of the machine, not of the hub's time: a stall is what the event loop's lag shows. */
  readonly clock: Clock;
  readonly registry: Pick<Registry, "all" | "get" | "now">;
  readonly liveness: LivenessLimits;
  readonly waitingRoom: Pick<WaitingRoom, "length" | "size">;
  readonly requestLog: Pick<RequestLog, "running">;
  readonly bodyBudget: Pick<BodyBudget, "taken" | "size">;
  readonly live: Pick<Live, "listeners">;
}

const STATUSES: readonly NodeStatus[] = ["online", "degraded", "pending", "draining", "offline"];
const FAMILIES: readonly Family[] = ["IPv6", "IPv4"];

export type HubMetrics = ReturnType<typeof createHubMetrics>;

/** Begins counting. */
export function createHubMetrics(deps: HubMetricsDeps) {
  const { registry, waitingRoom, requestLog, bodyBudget, live } = deps;
  const metrics = createMetrics({ clock: deps.clock, role: "hub" });
  const requests = createRequestFigures(metrics, registry);
  const events = metrics.counter("fleet_events_total", "What happened to nodes: joined, ejected, lost and so on.", [
    "event",
  ]);

  metrics.gauge("requests_running", "Requests that have not ended.", () => requestLog.running().size);
  metrics.gauge("queue_length", "Requests that wait for a free slot.", () => waitingRoom.length);
  metrics.gauge("queue_limit", "How many may wait.", () => waitingRoom.size);
  metrics.gauge("request_body_bytes", "Request bodies held in memory.", () => bodyBudget.taken);
  metrics.gauge("request_body_limit_bytes", "What all of them may take.", () => bodyBudget.size);
  metrics.gauge("events_listeners", "Who listens to GET /events; an open dashboard is one.", () => live.listeners);
  defineFleet(metrics, deps);

  return {
    finished: requests.finished,

    /** Something happened to a node. */
    happened({ event, nodeId }: FleetEvent): void {
      events.inc({ event });
      if (event === "removed") requests.forget(nodeId);
    },

    definitions: metrics.definitions,

    /** Everything in Prometheus' text format. */
    text(): Promise<string> {
      requests.tidy();
      return metrics.text();
    },

    stop: metrics.stop,
  };
}

/** Figures of every node the registry has, read at the scrape. */
function defineFleet(metrics: Metrics, { registry, liveness }: HubMetricsDeps): void {
  const each = (name: string, help: string, value: (node: NodeRecord) => number) =>
    metrics.gauges(name, help, ["node"], function* () {
      for (const node of [...registry.all()]) yield { labels: { node: node.id }, value: value(node) };
    });

  each(
    "node_slots",
    "Requests a node works on at once, as reported or as learned from its answers.",
    ({ slots }) => slots,
  );
  each("node_slots_reported", "The same as the node reports it.", ({ learned }) => learned.reported);
  each("node_slots_used", "Requests of this hub at the node now.", ({ reserved }) => reserved);
  each(
    "node_heartbeat_age_seconds",
    "Time since the node's last heartbeat.",
    ({ lastHeardAt }) => Math.max(0, registry.now() - lastHeardAt) / 1000,
  );

  metrics.gauges(
    "node_status",
    "1 for the status a node has, 0 for the others: online, degraded, pending, draining, offline.",
    ["node", "status"],
    function* (): Generator<Sample<"node" | "status">> {
      const now = registry.now();
      for (const node of [...registry.all()]) {
        const reachable = node.routes.some((route) => route.reachable !== false);
        const age = livenessOf(now - node.lastHeardAt, liveness);
        const current = statusOf({ ...node, liveness: age, reachable }).status;
        for (const status of STATUSES) {
          yield { labels: { node: node.id, status }, value: status === current ? 1 : 0 };
        }
      }
    },
  );

  metrics.gauges(
    "node_address_reachable",
    "Whether the node's address of a family came through last time, 1 or 0; left out before the first try.",
    ["node", "family"],
    function* (): Generator<Sample<"node" | "family">> {
      for (const node of [...registry.all()]) {
        for (const family of FAMILIES) {
          const tried = node.routes.filter((route) => route.family === family && route.reachable !== null);
          if (tried.length === 0) continue;
          yield { labels: { node: node.id, family }, value: tried.some(({ reachable }) => reachable) ? 1 : 0 };
        }
      }
    },
  );
}
