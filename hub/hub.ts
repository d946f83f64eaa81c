/** Puts the hub's parts together and starts it listening. */
import { atMostEvery } from "../shared/at_most_every.ts";
import { type Clock, every, systemClock } from "../shared/clock.ts";
import { createFleetFetch, type FleetFetch } from "../shared/fleet_fetch.ts";
import type { Running } from "../shared/lifecycle.ts";
import { type HttpServer, startListener } from "../shared/listen.ts";
import type { Logger } from "../shared/log.ts";
import { readTls, renewalOf } from "../shared/tls.ts";
import { describeAccess, openGate } from "./access/gate.ts";
import { LONG_HEARTBEATS } from "./api/heartbeat.ts";
import { createHubApp } from "./app.ts";
import { createAwakeClock } from "./awake_clock.ts";
import { budgetSize, createBodyBudget } from "./body_budget.ts";
import { createWaitingRoom } from "./capacity.ts";
import type { HubConfig } from "./config.ts";
import { createConversations } from "./conversations.ts";
import type { DeliveryTimes } from "./deliver.ts";
import { createComeback } from "./fleet/comeback.ts";
import { createDigestWatch } from "./fleet/digest_watch.ts";
import { createFleetLists } from "./fleet/fleet_lists.ts";
import { placesOfMachine } from "./fleet/own_addresses.ts";
import { PROBE_TIMES, type ProbeTimes, startProber } from "./fleet/probe.ts";
import { createBlobPlaces } from "./manage/blob_places.ts";
import type { Live } from "./observe/live.ts";
import { createObservers } from "./observe/observers.ts";
import { createRegistry, type Registry } from "./registry.ts";
import type { RequestLog } from "./request_log.ts";
import { createRetries } from "./retries.ts";
import { openIdentities } from "./trust/identities.ts";
import type { JoinTokens } from "./trust/join_tokens.ts";
import { createNewcomers } from "./trust/newcomers.ts";
import type { NodeKeys } from "./trust/node_keys.ts";
import { paceProofs } from "./trust/paced_proofs.ts";
import { createProvenFetch } from "./trust/proven_fetch.ts";
import { createRefusedBeats } from "./trust/refused_beats.ts";

export interface HubParts {
  readonly clock?: Clock;
  readonly fetch?: FleetFetch;
  readonly probeTimes?: ProbeTimes;
  readonly deliveryTimes?: DeliveryTimes;
  readonly slowReaderMs?: number;
  /** IDLE_TIMEOUT_SECONDS unless a test cannot wait for so long. */
  readonly idleTimeoutSeconds?: number;
  /** Bytes of memory this process may use; 4 GB unless told otherwise. */
  readonly memory?: number;
  /** Whether a request that ends now is counted for Prometheus; only the bench of what that costs says no. */
  readonly countsRequests?: () => boolean;
  readonly log: Logger;
}

export interface Hub extends Running {
  readonly server: HttpServer;
  readonly registry: Registry;
  readonly requestLog: RequestLog;
  readonly live: Live;
  readonly nodeKeys: NodeKeys;
  readonly joinTokens: JoinTokens;
}

/** Connect per address, and the head start of one family over the next (RFC 8305 section 5). */
const DELIVERY_TIMES: DeliveryTimes = { connectMs: 2_000, staggerMs: 250 };
/** Silence after which the dashboard marks a node and other nodes go before it; the user's own number. */
const STALE_MS = 60_000;
const SLOW_READER_MS = 60_000;
const DEFAULT_MEMORY = 4e9;
const SWEEP_MS = 1_000;
/** Lists of more nodes than these are compared once a second at most: each time all of them are. */
const MANY_NODES = 100;
const LOOK_AT_MANY_EVERY_MS = 1_000;
/** How long open streams have for their error line when everything has to end now. */
const FAREWELL_MS = 200;
/** How long the last bytes may take when the grace time is over and every stream has got its error frame. */
const LAST_BYTES_MS = 1_000;

/** Starts a hub. Throws ListenError when its port cannot be opened. */
export function startHub(config: HubConfig, parts: HubParts): Hub {
  const { log } = parts;
  const clock = createAwakeClock(parts.clock ?? systemClock, (ms) => {
    log.warn(`the hub stood still for ${Math.round(ms / 1000)} s; every lease and time limit was extended by that`);
  });
  const gate = openGate({ config, clock, log, nodesClosed: () => joinTokens.isClosed() });
  let tls = readTls(config);
  const plainFetch = parts.fetch ?? createFleetFetch({ useEnvironmentProxy: config.useEnvProxy, ownCert: () => tls });
  const liveness = {
    staleMs: Math.min(STALE_MS, config.heartbeatTtl * 1000),
    expiredMs: config.heartbeatTtl * 1000,
    goneMs: config.heartbeatOffline * 1000,
  };
  const stopping = new AbortController();
  const bootId = crypto.randomUUID();
  const waitingRoom = createWaitingRoom({
    clock,
    size: config.queueSize,
    timeoutMs: config.queueTimeout * 1000,
    stopping: stopping.signal,
  });
  const digests = createDigestWatch(log);
  const lookAtDigestsNow = () => digests.look(Array.from(registry.all(), ({ id, tags }) => ({ nodeId: id, tags })));
  const lookAtDigests = atMostEvery(clock, LOOK_AT_MANY_EVERY_MS, lookAtDigestsNow);
  const registry = createRegistry({
    clock,
    liveness,
    ejection: { maxFailures: config.nodeMaxFailures },
    ipPreference: config.ipPreference,
    place: { hubPort: config.port, whereIs: placesOfMachine(config.trustedNetworks) },
    onUnproven: (node) => askForProof(node),
    onCapacity: (node) => waitingRoom.wake(node?.models),
    onModels: () => (registry.size > MANY_NODES ? lookAtDigests.want() : lookAtDigestsNow()),
    onEvent: (event) => observers.tell(event),
  });
  const askForProof = paceProofs({
    clock,
    prove: (node) => prober.prove(node),
    isThere: (node) => registry.get(node.id) === node && !stopping.signal.aborted,
  });
  const fetch = createProvenFetch({
    fetch: plainFetch,
    registry,
    confirm: (node, route) => prober.confirm(node, route),
  });
  const maxBody = Math.round(config.maxBodyMb * 1e6);
  const bodyBudget = createBodyBudget(budgetSize(config.maxBufferedMb, parts.memory ?? DEFAULT_MEMORY, maxBody));
  const observers = createObservers({
    clock,
    machineClock: parts.clock,
    config,
    log,
    bootId,
    registry,
    waitingRoom,
    liveness,
    digests,
    bodyBudget,
    gate,
    countsRequests: parts.countsRequests ?? (() => true),
  });
  const { requestLog, live, stats, metrics } = observers;
  const { identity, joinTokens, nodeKeys, tickets } = openIdentities({
    config,
    bootId,
    clock,
    log,
    registry,
    liveness,
    tell: observers.tell,
  });
  const conversations = createConversations(registry);
  const fleetLists = createFleetLists({ registry, fetch, liveness, tickets });
  const comeback = createComeback({ clock, log, bootId });
  const app = createHubApp({
    clock,
    fetch,
    registry,
    waitingRoom,
    requestLog,
    conversations,
    retries: createRetries({ clock, registry }),
    digests,
    gate,
    live,
    stats,
    metrics,
    fleetLists,
    liveness,
    policy: config.policy,
    log,
    allowCloud: config.allowCloud,
    management: config.management,
    blobPlaces: createBlobPlaces(),
    allowedOrigins: config.allowedOrigins,
    maxBody,
    bodyBudget,
    stopping: stopping.signal,
    bootId,
    comeback,
    nodeKeys,
    newcomers: createNewcomers({ clock, nodes: () => registry.size }),
    refusedBeats: createRefusedBeats(clock, log),
    heartbeatBudget: createBodyBudget(LONG_HEARTBEATS),
    tickets,
    requestMs: config.requestTimeout * 1000,
    slowReaderMs: parts.slowReaderMs ?? SLOW_READER_MS,
    times: parts.deliveryTimes ?? DELIVERY_TIMES,
    attemptTimes: {
      firstByteMs: config.nodeRequestTimeout * 1000,
      firstByteLoadingMs: config.modelLoadTimeout * 1000,
      wholeAnswerMs: config.wholeAnswerTimeout * 1000,
      idleMs: config.streamIdleTimeout * 1000,
    },
    onRoute: (nodeId, { origin }, tried) => registry.routeSeen(nodeId, origin, tried),
    onData: registry.heard,
  });

  const listener = startListener({
    tls,
    port: config.port,
    hostname: config.host,
    ...(parts.idleTimeoutSeconds === undefined ? {} : { idleTimeoutSeconds: parts.idleTimeoutSeconds }),
    // No limit of Bun's: blobs are many gigabytes and only pass through; `readBody` counts everything else. What nobody
    // reads, Bun takes from the wire and throws away, so that a client that is still sending gets its answer.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch: app.fetch,
    onFallback: (sentence) => log.warn(sentence),
  });
  const { advice } = describeAccess(gate);
  if (advice !== null) log.info(advice);
  const stopSweeping = every(clock, SWEEP_MS, () => registry.sweep());
  const prober = startProber({
    registry,
    fetch: plainFetch,
    clock,
    times: parts.probeTimes ?? PROBE_TIMES,
    hubKey: identity.publicKey,
  });

  /** Ends everything: streams get an error line rather than a cut, and `farewellMs` milliseconds to pass it on. */
  async function end(farewellMs: number): Promise<void> {
    stopSweeping();
    prober.stop();
    observers.stop();
    comeback.stop();
    gate.stop();
    nodeKeys.stop();
    lookAtDigests.stop();
    stopping.abort();
    await Promise.race([listener.stop(), Bun.sleep(farewellMs)]);
    await listener.stop(true);
  }

  const renew = renewalOf(
    config,
    (renewed) => {
      listener.renew(renewed);
      tls = renewed;
    },
    log,
  );

  return {
    get server() {
      return listener.server;
    },
    reload: tls === null ? undefined : renew,
    registry,
    requestLog,
    live,
    nodeKeys,
    joinTokens,
    stop: () => end(FAREWELL_MS),
    async drain() {
      // A dashboard would never leave by itself.
      live.stop();
      await Promise.race([listener.stop(), Bun.sleep(config.drainTimeout * 1000)]);
      await end(LAST_BYTES_MS);
    },
  };
}
