/** The agent put together: what it is built from, how it starts, drains and ends. Used by main.ts and by tests. */
import { type Clock, systemClock } from "../shared/clock.ts";
import { createFleetFetch } from "../shared/fleet_fetch.ts";
import { loadIdentity } from "../shared/identity.ts";
import type { Running } from "../shared/lifecycle.ts";
import { type HttpServer, startListener } from "../shared/listen.ts";
import type { Logger } from "../shared/log.ts";
import type { Gpu, NodeHealth, NodeIntent } from "../shared/protocol.ts";
import { readCertificate, readTls, renewalOf } from "../shared/tls.ts";
import { findAddresses } from "./addresses.ts";
import { createNodeApp } from "./app.ts";
import type { NodeConfig } from "./config.ts";
import { createExecute } from "./execute.ts";
import { createGpuReader } from "./gpu.ts";
import { createHeartbeat } from "./heartbeat.ts";
import { createHubClient } from "./hub_client.ts";
import { createHubTrust } from "./hub_trust.ts";
import { createLoadReader } from "./load.ts";
import { createNodeMetrics } from "./metrics.ts";
import { createOllamaClient } from "./ollama.ts";
import { createOllamaFace } from "./ollama_face.ts";
import { identities, isInMemory } from "./ollama_state.ts";
import { createOllamaWatch } from "./ollama_watch.ts";
import { createPassOn } from "./pass_on.ts";
import { createSelfReport } from "./self_report.ts";
import { createSlots } from "./slots.ts";
import { createTicketGate } from "./ticket_gate.ts";

export interface AgentOptions {
  /** This program's version. */
  readonly version: string;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Trusts the hub that answers next, whatever was known of it before. */
  readonly acceptHub?: boolean;
  /** Milliseconds between two looks at Ollama. */
  readonly ollamaLookMs?: number;
  /** Milliseconds between two looks at the hub. */
  readonly hubLookMs?: number;
}

export interface Agent extends Running {
  readonly log: Logger;
  readonly port: number;
  readonly bootId: string;
  /** Resolves when the hub has accepted this node for the first time. */
  readonly joined: Promise<void>;
}

/** Milliseconds. */
const SLOT_WAIT_MS = 1000;
const LOOK_INTERVAL_MS = 5000;
const LOADING_AFTER_MS = 1000;
const FIRST_LOOK_PATIENCE_MS = 1000;
const LAST_HEARTBEAT_MS = 2000;
const FLUSH_MS = 2000;
const HUB_HEARD_MS = 1000;
const SELDOM_MS = 10_000;

/** Bytes of a request body that is held: a prompt with pictures in it. What only flows through, blobs, has no limit. */
const BODY_LIMIT = 256 * 2 ** 20;

/** Starts the agent: it listens when this returns, and joins the hub as soon as both are there. Throws ListenError. */
export function startAgent(config: NodeConfig, options: AgentOptions): Agent {
  const { version, log, clock = systemClock, random = Math.random } = options;
  const bootId = crypto.randomUUID();
  let tls = readTls(config.tls);
  const hubFetch = createFleetFetch({
    useEnvironmentProxy: config.useEnvironmentProxy,
    ownCert: () => tls,
    authority: config.hubCa === null ? null : readCertificate("HUB_CA", config.hubCa),
  });
  // Ollama is on this machine: a proxy has no place in between, whatever the operator wants for the hub.
  const ollama = createOllamaClient(config.ollamaUrl, createFleetFetch());
  let intent: NodeIntent = "serving";
  const warn = (sentence: string) => log.warn(sentence);
  const identity = loadIdentity(config.stateDir, "node");
  if (identity.warning !== null) warn(identity.warning);
  const { serverUrl, nodeId, stateDir, joinToken } = config;
  const trust = createHubTrust({
    identity,
    serverUrl,
    nodeId,
    stateDir,
    bootId,
    joinToken,
    acceptHub: options.acceptHub ?? false,
    now: clock.now,
    cert: () => tls?.cert ?? null,
    onWarning: warn,
  });
  const gate = createTicketGate({
    nodeId,
    trusted: trust.trusted,
    now: clock.now,
    onStale: () => heartbeat.listen(),
    onRefused: seldom(clock, (why, times) => log.warn({ times }, `a request was turned away: ${why}`)),
  });

  const slots = createSlots({ size: config.slots, waitMs: SLOT_WAIT_MS, clock });
  const watch = createOllamaWatch({
    ollama,
    url: config.ollamaUrl,
    intervalMs: options.ollamaLookMs ?? LOOK_INTERVAL_MS,
    isLoading: () => loadingModels(0).length > 0,
    clock,
    log,
    onChange: () => heartbeat.changed(),
  });
  const readGpus = createGpuReader(clock);
  let knownGpus: readonly Gpu[] = [];
  const metrics = createNodeMetrics({ clock, slots, ollama: () => watch.state, gpus: () => knownGpus });
  const serving = {
    ollama,
    onRequest: metrics.finished,
    isDraining: () => intent !== "serving",
    onRefused: watch.refused,
    onAnswered: watch.answered,
    clock,
    log,
  };
  const execute = createExecute({ ...serving, slots, bodyLimit: BODY_LIMIT });
  const passOn = createPassOn({ ...serving, bodyLimit: BODY_LIMIT, onManaged: watch.managed });
  const heartbeat = createHeartbeat({
    hub: createHubClient(config.serverUrl, hubFetch, trust),
    serverUrl: config.serverUrl,
    nodeId: config.nodeId,
    intervalMs: config.heartbeatIntervalMs,
    lookIntervalMs: options.hubLookMs ?? LOOK_INTERVAL_MS,
    report: createSelfReport({
      nodeId: config.nodeId,
      bootId,
      agentVersion: version,
      slots: config.slots,
      port: () => portOf(listener.server),
      intent: () => intent,
      ollama: () => watch.state,
      addresses: () => findAddresses({ ipv4: config.advertiseIPv4, ipv6: config.advertiseIPv6 }),
      load: createLoadReader(clock),
      gpus: async () => {
        const gpus = await readGpus();
        knownGpus = gpus;
        return gpus;
      },
      clock,
    }),
    announced: () => {
      const { ok, version, tags, ps } = watch.state;
      return { models: identities(tags), loaded: identities(ps), ollamaOk: ok, ollamaVersion: version, intent };
    },
    onSent: metrics.heartbeatSent,
    clock,
    random,
    log,
  });

  /** Models of requests that have been silent for more than `ms` milliseconds and are not in memory. */
  function loadingModels(ms: number): string[] {
    return slots.silentModels(ms).filter((model) => model !== "" && !isInMemory(watch.state, model));
  }

  function health(challenge: string, hubKey: string): NodeHealth {
    const proof = challenge === "" ? null : trust.prove(challenge, hubKey);
    const { ok, version: ollamaVersion } = watch.state;
    return {
      status: "ok",
      node_id: config.nodeId,
      boot_id: bootId,
      agent_version: version,
      intent,
      ollama: { ok, version: ollamaVersion },
      running: slots.running,
      slots: slots.size,
      loading: loadingModels(LOADING_AFTER_MS),
      ...(proof === null ? {} : { proof }),
    };
  }

  const listener = startListener({
    tls,
    hostname: config.host,
    port: config.port,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch: createNodeApp({
      nodeId: config.nodeId,
      execute,
      gate,
      hubHeard: () => atMost(HUB_HEARD_MS, heartbeat.heard()),
      ollamaFace: createOllamaFace({ execute, passOn: passOn.handle }),
      health,
      metrics,
      log,
    }),
    onFallback: (sentence) => log.warn(sentence),
  });
  const port = portOf(listener.server);
  log.info(
    { node_id: config.nodeId, port, ollama: config.ollamaUrl, hub: config.serverUrl, slots: slots.size, version },
    `node ${config.nodeId} listens on port ${port}`,
  );

  /** Resolves after `ms`, or when `done` does. */
  function atMost(ms: number, done: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(ms, resolve);
      const finish = () => {
        cancel();
        resolve();
      };
      done.then(finish, finish);
    });
  }

  let ended = false;
  // A first heartbeat that already knows the models spares the hub a node without any; an Ollama that hangs delays it
  // by a moment only.
  void atMost(FIRST_LOOK_PATIENCE_MS, watch.start()).then(() => {
    if (!ended) heartbeat.start();
  });

  const renew = renewalOf(
    config.tls,
    (renewed) => {
      listener.renew(renewed);
      tls = renewed;
      // The hub takes the node for somebody else until it knows the new one.
      heartbeat.listen();
    },
    log,
  );

  async function stop(): Promise<void> {
    ended = true;
    watch.stop();
    heartbeat.stop();
    metrics.stop();
    await listener.stop(true);
  }

  return {
    log,
    port,
    bootId,
    joined: heartbeat.joined,
    reload: tls === null ? undefined : renew,
    async drain() {
      intent = "draining";
      heartbeat.changed();
      log.info(
        { running: slots.running },
        `draining: ${slots.running} running, at most ${config.drainTimeoutMs / 1000} s`,
      );
      await atMost(config.drainTimeoutMs, Promise.all([slots.whenIdle(), passOn.whenIdle()]));
      if (slots.running > 0) log.warn({ running: slots.running }, "the grace time is over, running requests are cut");
      ended = true;
      watch.stop();
      intent = "left";
      await heartbeat.finish(LAST_HEARTBEAT_MS);
      // What is finished may still be on its way to the hub; what is not finished now is cut.
      if (slots.running === 0) await atMost(FLUSH_MS, listener.stop());
      await stop();
    },
    stop,
  };
}

/** `tell`, but at most once in SELDOM_MS, with how often it would have been told since the last time. */
function seldom(clock: Clock, tell: (what: string, times: number) => void): (what: string) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  let times = 0;
  return (what) => {
    times += 1;
    if (clock.now() - toldAt < SELDOM_MS) return;
    toldAt = clock.now();
    tell(what, times);
    times = 0;
  };
}

function portOf(server: HttpServer): number {
  // A server on a Unix socket has none; this one always listens on TCP.
  return server.port ?? 0;
}
