/** The heartbeat loop: tells the hub about this node regularly, at once when something changed, and until it listens. */
import { type Clock, every } from "../shared/clock.ts";
import { failureWords } from "../shared/failure_words.ts";
import type { Logger } from "../shared/log.ts";
import type { HeartbeatBody } from "../shared/protocol.ts";
import {
  type Announced,
  delayUntilNext,
  reasonToRegisterAgain,
  reasonToSendNow,
  type Standing,
} from "./heartbeat_policy.ts";
import type { HeartbeatOutcome, HubClient } from "./hub_client.ts";

export interface HeartbeatLoop {
  /** Sends the first heartbeat and goes on until stopped. */
  start(): void;
  /** Something about the node may have changed: sends at once if the hub has to know. */
  changed(): void;
  /** The hub has to be heard: sends at once, unless that was done a moment ago. */
  listen(): void;
  /** Ends the loop with one last heartbeat; waits for its answer at most `timeoutMs`. */
  finish(timeoutMs: number): Promise<void>;
  /** Ends the loop without a word. */
  stop(): void;
  /** Resolves when the hub has answered once more, or has not in its time. */
  heard(): Promise<void>;
  /** Resolves when the first heartbeat has been answered, or has not been in its time. */
  readonly firstHeard: Promise<void>;
  /** Resolves when the hub has accepted this node for the first time. */
  readonly joined: Promise<void>;
}

export interface HeartbeatOptions {
  readonly hub: HubClient;
  /** For the log. */
  readonly serverUrl: string;
  readonly nodeId: string;
  readonly intervalMs: number;
  /** Milliseconds between two looks at the hub while joined. */
  readonly lookIntervalMs: number;
  /** What the node says about itself now. */
  readonly report: (seq: number) => Promise<HeartbeatBody>;
  readonly clock: Clock;
  /** From 0 up to but not including 1. */
  readonly random: () => number;
  readonly log: Logger;
  /** What of the node's state the hub has to hear at once. */
  readonly announced: () => Announced;
  /** Told what came of every heartbeat. */
  readonly onSent?: (outcome: HeartbeatOutcome["kind"]) => void;
}

/** Milliseconds the hub has for an answer. */
const HEARTBEAT_TIMEOUT_MS = 5000;
const LOOK_TIMEOUT_MS = 3000;
/** Between two heartbeats that are sent to hear the hub. */
const LISTEN_AGAIN_MS = 1000;

/** A loop that has not begun. */
export function createHeartbeat(options: HeartbeatOptions): HeartbeatLoop {
  const { hub, serverUrl, nodeId, intervalMs, clock, random, log, report, announced } = options;
  const joined = Promise.withResolvers<void>();
  const firstHeard = Promise.withResolvers<void>();
  let seq = 0;
  let standing: Standing | null = null;
  let told: Announced | null = null;
  let bootId: string | null = null;
  let sending = false;
  let stopped = false;
  let cancelNext = () => {};
  let stopLooking = () => {};
  let nextAnswer = Promise.withResolvers<void>();
  let listenedAt = Number.NEGATIVE_INFINITY;

  async function beat(reason: string): Promise<void> {
    if (sending || stopped) return;
    sending = true;
    cancelNext();
    const telling = announced();
    log.debug({ reason, seq: seq + 1 }, "heartbeat");
    const outcome = await send(HEARTBEAT_TIMEOUT_MS);
    sending = false;
    firstHeard.resolve();
    nextAnswer.resolve();
    nextAnswer = Promise.withResolvers();
    if (stopped) return;
    learn(outcome, telling);
    const again = standing?.kind === "unreachable" ? null : reasonToSendNow(told, announced());
    if (again !== null) return beat(again);
    const delay = standing === null ? intervalMs : delayUntilNext(standing, intervalMs, random());
    cancelNext = clock.after(delay, () => beat("it is time"));
  }

  async function send(timeoutMs: number): Promise<HeartbeatOutcome> {
    seq += 1;
    const outcome = await attempt(timeoutMs);
    options.onSent?.(outcome.kind);
    return outcome;
  }

  async function attempt(timeoutMs: number): Promise<HeartbeatOutcome> {
    try {
      const body = await report(seq);
      return await hub.heartbeat(bootId === null ? body : { ...body, hub_boot_id: bootId }, timeoutMs);
    } catch (error) {
      // A report that cannot be made must not end the loop: without heartbeats the hub forgets this node.
      log.error({ err: error }, "the heartbeat could not be written");
      return { kind: "unreachable", reason: failureWords(error) };
    }
  }

  function learn(outcome: HeartbeatOutcome, telling: Announced): void {
    switch (outcome.kind) {
      case "accepted": {
        const { ipv4, ipv6 } = outcome.answer;
        const known = [ipv6, ipv4].filter((address) => address).join(", ");
        if (standing?.kind !== "joined" || bootId !== outcome.bootId) {
          const again = told === null ? "joined hub" : "joined again hub";
          log.info({ hub: serverUrl, ipv4, ipv6 }, `${again} ${serverUrl} as ${nodeId}${known && ` (${known})`}`);
        }
        standing = { kind: "joined" };
        told = telling;
        bootId = outcome.bootId;
        joined.resolve();
        return;
      }
      case "rejected": {
        const { reason } = outcome;
        // Once for each reason, not once per heartbeat.
        const isNew = standing?.kind !== "rejected" || standing.reason !== reason;
        const line = outcome.doubted ? reason : `hub ${serverUrl} refuses this node: ${reason}`;
        log[isNew ? "warn" : "debug"]({ hub: serverUrl, reason }, line);
        standing = { kind: "rejected", reason };
        // It was told; saying the same thing faster does not help.
        told = telling;
        return;
      }
      case "unreachable": {
        const failures = standing?.kind === "unreachable" ? standing.failures + 1 : 1;
        standing = { kind: "unreachable", failures };
        const line = `hub not reachable at ${serverUrl} (${outcome.reason}): will keep trying`;
        // Once per outage, not once per attempt.
        log[failures === 1 ? "warn" : "debug"]({ hub: serverUrl, reason: outcome.reason, failures }, line);
      }
    }
  }

  /** While the hub is away, the back-off of the heartbeats is the look. */
  async function look(): Promise<void> {
    if (standing?.kind !== "joined" || sending) return;
    const sight = await hub.look(LOOK_TIMEOUT_MS);
    if (standing?.kind !== "joined" || sending) return;
    const reason = reasonToRegisterAgain(bootId, sight);
    if (reason !== null) await beat(reason);
  }

  function stop(): void {
    stopped = true;
    cancelNext();
    stopLooking();
  }

  return {
    joined: joined.promise,
    firstHeard: firstHeard.promise,
    start() {
      stopLooking = every(clock, options.lookIntervalMs, look);
      void beat("the node started");
    },
    changed() {
      if (standing === null) return;
      const reason = reasonToSendNow(told, announced());
      if (reason !== null) void beat(reason);
    },
    heard: () => nextAnswer.promise,
    listen() {
      if (standing === null || clock.now() - listenedAt < LISTEN_AGAIN_MS) return;
      listenedAt = clock.now();
      void beat("the hub's time has to be known");
    },
    async finish(timeoutMs) {
      stop();
      // A hub that never heard of this node would only learn of it by its leaving.
      if (seq > 0) await send(timeoutMs);
    },
    stop,
  };
}
