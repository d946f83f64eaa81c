/**
 * Asks nodes for their health: often while they have work, slowly otherwise, and before an ejected one is tried again.
 * One with a key has to sign the answer, so that an address is used only where the node itself is.
 */
import { type Clock, every } from "../../shared/clock.ts";
import { type FleetFetch, readText } from "../../shared/fleet_fetch.ts";
import { nonce, verify } from "../../shared/identity.ts";
import { type NodeHealth, nodeHealth, PATHS } from "../../shared/protocol.ts";
import { proofText } from "../../shared/signed_text.ts";
import type { Registry } from "../registry.ts";
import type { NodeRecord, Route } from "./node_record.ts";

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

/** As they are in the field; tests have shorter ones. */
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
  /** The public key of this hub. */
  readonly hubKey?: string;
}

export interface Prober {
  /** Asks the node at every address to prove itself, now. */
  prove(node: NodeRecord): void;
  /** Asks the node at `route` to prove itself: rejects unless it does, at once and as long as `signal` lets it. */
  confirm(node: NodeRecord, route: Route): Promise<void>;
  stop(): void;
}

/** Milliseconds after which a node is asked again that answered without a proof: it may just be hearing of this hub. */
const PROVE_AGAIN_MS = [50, 250, 1_000];

/** Starts probing. */
export function startProber({ registry, fetch, clock, times, hubKey = "" }: ProberDeps): Prober {
  let stopped = false;
  const probedAt = new Map<string, number>();
  const underWay = new Set<string>();
  /** Probes in a row without an answer. */
  const unanswered = new Map<string, number>();

  /** What the node says at `route`. Rejects, and takes back that it is there, when something else answers. */
  async function ask(node: NodeRecord, route: Route, signal: AbortSignal): Promise<NodeHealth> {
    const { publicKey } = node;
    const challenge = nonce();
    // It vouches for this address only: who relays the question to it from elsewhere gets no answer of use.
    const at = route.origin.replace(/^https?:\/\//, "");
    const question = publicKey === null ? "" : `?challenge=${challenge}&hub=${hubKey}&at=${encodeURIComponent(at)}`;
    const response = await fetch(route.origin + PATHS.health + question, { signal, cert: route.cert ?? null });
    let isThere = publicKey === null;
    try {
      const health = nodeHealth.parse(JSON.parse(await readText(response, LARGEST_HEALTH)));
      // An address may have gone to another machine since; its agent's answer is no way to this node.
      if (health.node_id !== node.id) throw new Error(`node ${health.node_id} answers there`);
      isThere ||= verify(publicKey ?? "", proofText(challenge, node.id, hubKey, at), health.proof ?? "");
      if (!isThere) throw new Error("what answers there has not got the node's key");
      return health;
    } finally {
      // Whatever it was that answered. The table may hold another one by this name since.
      const isSame = registry.get(node.id)?.publicKey === publicKey;
      if (publicKey !== null && isSame) registry.proven(node.id, route.origin, isThere);
    }
  }

  async function probeRoute(node: NodeRecord, route: Route): Promise<NodeHealth | null> {
    const startedAt = clock.now();
    try {
      const health = await ask(node, route, AbortSignal.timeout(times.timeoutMs));
      if (registry.get(node.id)?.publicKey !== node.publicKey) return null;
      registry.routeSeen(node.id, route.origin, "connected", clock.now() - startedAt);
      return health;
    } catch (error) {
      const isSlow = error instanceof Error && error.name === "TimeoutError";
      registry.routeSeen(node.id, route.origin, isSlow ? "slow" : "failed");
      return null;
    }
  }

  async function probe(node: NodeRecord): Promise<void> {
    underWay.add(node.id);
    const answers = await Promise.all(registry.inOrder(node.routes).map((route) => probeRoute(node, route)));
    underWay.delete(node.id);
    const health = answers.find((answer) => answer !== null);
    if (!health) return void unanswered.set(node.id, (unanswered.get(node.id) ?? 0) + 1);
    unanswered.delete(node.id);
    registry.healthy(node.id, health);
  }

  async function prove(node: NodeRecord, again: readonly number[] = PROVE_AGAIN_MS): Promise<void> {
    await probe(node);
    const [pauseMs, ...later] = again;
    if (stopped || node.dialable || registry.get(node.id) !== node) return;
    if (pauseMs === undefined) return registry.unproven(node.id);
    clock.after(pauseMs, () => void prove(node, later));
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
    if (isBusy(node) || (node.publicKey !== null && !node.dialable)) return times.busyEveryMs;
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
  return {
    prove(node) {
      probedAt.set(node.id, registry.now());
      void prove(node);
    },
    async confirm(node, route) {
      await ask(node, route, AbortSignal.timeout(times.timeoutMs));
    },
    stop() {
      stopped = true;
      stopWatching();
      stopProbing();
    },
  };
}

function isBusy({ reserved, watched }: NodeRecord): boolean {
  return reserved > 0 || watched > 0;
}
