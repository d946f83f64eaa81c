/** Asks nodes for their health: often while they have work, slowly otherwise, and before an ejected one is tried again. */
import { type Clock, every } from "../shared/clock.ts";
import { type FleetFetch, readText } from "../shared/fleet_fetch.ts";
import { type NodeHealth, nodeHealth, PATHS } from "../shared/protocol.ts";
import type { NodeRecord, Route } from "./node_record.ts";
import type { Registry } from "./registry.ts";

export interface ProbeTimes {
  /** Milliseconds between probes of a node that has work of ours. */
  readonly busyEveryMs: number;
  /** Milliseconds between probes of any other node. */
  readonly idleEveryMs: number;
  /** Milliseconds between probes of an ejected node whose cool-down is over. */
  readonly ejectedEveryMs: number;
  /** Milliseconds one probe may take. */
  readonly timeoutMs: number;
  /** Milliseconds of silence on every route after which a node with work is lost. */
  readonly lostAfterMs: number;
}

export const PROBE_TIMES: ProbeTimes = {
  busyEveryMs: 3_000,
  idleEveryMs: 30_000,
  ejectedEveryMs: 10_000,
  timeoutMs: 2_000,
  lostAfterMs: 15_000,
};

/** Probes in a row that came to nothing before a node's work is given up; of 15 s every 3 s there are four at least. */
const PROBES_BEFORE_LOSS = 2;

/** Milliseconds between two looks whether a node with work has been silent for too long. */
const SILENCE_LOOK_MS = 250;

/** Bytes of a health answer. */
const LARGEST_HEALTH = 64 * 1024;

export interface ProberDeps {
  readonly registry: Registry;
  readonly fetch: FleetFetch;
  readonly clock: Clock;
  readonly times: ProbeTimes;
}

/** Starts probing; the returned function stops it. */
export function startProber({ registry, fetch, clock, times }: ProberDeps): () => void {
  const probedAt = new Map<string, number>();
  const underWay = new Set<string>();
  /** Probes in a row without an answer. */
  const unanswered = new Map<string, number>();

  async function probeRoute(node: NodeRecord, route: Route): Promise<NodeHealth | null> {
    const startedAt = clock.now();
    try {
      const response = await fetch(route.origin + PATHS.health, { signal: AbortSignal.timeout(times.timeoutMs) });
      const health = nodeHealth.parse(JSON.parse(await readText(response, LARGEST_HEALTH)));
      // An address may have gone to another machine since; its agent's answer is no way to this node.
      if (health.node_id !== node.id) throw new Error(`node ${health.node_id} answers there`);
      registry.routeSeen(node.id, route.origin, true, clock.now() - startedAt);
      return health;
    } catch {
      registry.routeSeen(node.id, route.origin, false, null);
      return null;
    }
  }

  async function probe(node: NodeRecord): Promise<void> {
    underWay.add(node.id);
    const answers = await Promise.all(registry.routesOf(node).map((route) => probeRoute(node, route)));
    underWay.delete(node.id);
    const health = answers.find((answer) => answer !== null);
    if (!health) return void unanswered.set(node.id, (unanswered.get(node.id) ?? 0) + 1);
    unanswered.delete(node.id);
    registry.healthy(node.id, health);
  }

  /** Gives up a silent node's work when its time is over, not only when the next probe has come to nothing. */
  function loseIfSilent(node: NodeRecord, now: number): void {
    const silentMs = now - node.lastContactAt;
    // An agent of the user's earlier system may answer nothing while it works; its silence proves nothing.
    if (!isBusy(node) || node.agentVersion === null || silentMs < times.lostAfterMs) return;
    // A hub that stood still itself heard nobody: the node has to have been asked, and to have had its time.
    if ((unanswered.get(node.id) ?? 0) < PROBES_BEFORE_LOSS) return;
    unanswered.delete(node.id);
    registry.lose(node.id, `no answer on any address for ${Math.round(silentMs / 1000)} s`);
  }

  function interval(node: NodeRecord): number {
    if (isBusy(node)) return times.busyEveryMs;
    return node.trust.kind === "ejected" ? times.ejectedEveryMs : times.idleEveryMs;
  }

  const stopWatching = every(clock, SILENCE_LOOK_MS, () => {
    const now = registry.now();
    for (const node of registry.all()) loseIfSilent(node, now);
  });
  const stopProbing = every(clock, Math.min(1_000, times.busyEveryMs), () => {
    const now = registry.now();
    for (const node of registry.all()) {
      if (underWay.has(node.id) || now - (probedAt.get(node.id) ?? Number.NEGATIVE_INFINITY) < interval(node)) continue;
      probedAt.set(node.id, now);
      void probe(node);
    }
    for (const id of probedAt.keys()) {
      if (registry.get(id)) continue;
      probedAt.delete(id);
      unanswered.delete(id);
    }
  });
  return () => {
    stopWatching();
    stopProbing();
  };
}

function isBusy({ reserved, watched }: NodeRecord): boolean {
  return reserved > 0 || watched > 0;
}
