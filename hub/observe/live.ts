/** What the dashboard hears while it is open: the state when it comes, then what changes. Computed once for all. */
import { type Clock, every } from "../../shared/clock.ts";
import { type Happening, KEPT_HAPPENINGS } from "./happenings.ts";
import { createNodeChanges, type DescribedNode } from "./node_changes.ts";
import type { RunningRequest } from "./open_record.ts";
import type { Sample } from "./stats.ts";
import { createSubscribers, type Listener } from "./subscribers.ts";

/** What can be listened to. */
export const TOPICS = ["fleet", "queue", "running", "requests", "stats", "happenings"] as const;
export type Topic = (typeof TOPICS)[number];

export interface LiveDeps {
  readonly clock: Clock;
  /** What every listener is told first. */
  readonly hello: object;
  /** All nodes as `GET /nodes` describes them. */
  readonly nodes: () => Iterable<DescribedNode>;
  /** The waiting room as `GET /queue` describes it. */
  readonly queue: () => object;
  /** Requests that have not ended, in the order in which they came. */
  readonly running: () => ReadonlySet<RunningRequest>;
  /** What happened last, newest first. */
  readonly happenings: () => readonly Happening[];
}

export type Live = ReturnType<typeof createLive>;

const TICK_MS = 1_000;
/** How often it is asked whether each listener still may: with the look at the keys before it, within a second. */
const REVIEW_MS = 500;
/**
 * Between two signs of life. Proxies and this server close what is silent for longer, and a page can tell a hub that
 * stands still: an event, since browsers show no comments to it.
 */
export const ALIVE_MS = 5_000;
/** Fleets above this size are compared less often. */
const LARGE_FLEET = 1_000;
const LARGE_FLEET_LOOK_MS = 5_000;
/** Between two events with finished requests, or with happenings. */
const FLUSH_MS = 500;
/** Finished requests of one event. */
const MOST_FINISHED = 200;
/** Running requests that are told of. */
const MOST_RUNNING = 100;
/** Listeners at the same time; a dashboard is one. */
export const MOST_LISTENERS = 256;

/** A request under way as people see it, at monotonic `now`. */
export function describeRunning(request: RunningRequest, now: number) {
  return {
    request_id: request.requestId,
    timestamp: request.timestamp,
    request_ip: request.clientIp,
    endpoint: request.endpoint,
    model: request.model,
    stream: request.stream,
    node_id: request.nodeId,
    ip_version: request.family,
    elapsed_ms: Math.round(now - request.startedAt),
    first_byte_ms: request.firstByteMs,
    queue_position: request.queuePosition,
    waiting: request.waiting,
    bytes: request.bytes,
    pieces: request.pieces,
  };
}

/** Nobody listens yet, and nothing is computed until somebody does. */
export function createLive(deps: LiveDeps) {
  const { clock } = deps;
  const subscribers = createSubscribers<Topic>(startOrStop);
  const nodeChanges = createNodeChanges(deps.nodes);
  const queue = watched("queue", () => JSON.stringify(deps.queue()));
  const running = watched("running", runningJson);
  /** Newest last. */
  let finished: object[] = [];
  let missed = 0;
  let happened: Happening[] = [];
  let nodesLookedAt = 0;
  let aliveAt = 0;
  let flushedAt = Number.NEGATIVE_INFINITY;
  let stopTicking: (() => void) | null = null;
  let stopReviewing: (() => void) | null = null;
  let cancelFlush: (() => void) | null = null;
  let stopped = false;

  const send = (topic: Topic, event: string, json: string) => subscribers.send(topic, encode(frame(event, json)));

  /** Something that is told whole, whenever it is not what it was. */
  function watched(topic: "queue" | "running", compute: () => string) {
    let last: string | null = null;
    return {
      look(): void {
        const now = compute();
        if (now !== last) send(topic, topic, now);
        last = now;
      },
      /** As everybody else knows it, so that what follows fits. */
      current(): string {
        if (last === null || !subscribers.wants(topic)) last = compute();
        return last;
      },
    };
  }

  function runningJson(): string {
    const now = clock.now();
    const all = [...deps.running()];
    const requests = all
      .slice(-MOST_RUNNING)
      .reverse()
      .map((request) => describeRunning(request, now));
    return JSON.stringify({ total: all.length, requests });
  }

  function lookAtNodes(): void {
    if (nodeChanges.size > LARGE_FLEET && clock.now() - nodesLookedAt < LARGE_FLEET_LOOK_MS) return;
    nodesLookedAt = clock.now();
    const changes = nodeChanges.look();
    if (changes !== null) send("fleet", "nodes", changes);
  }

  function tick(): void {
    if (subscribers.wants("fleet")) lookAtNodes();
    if (subscribers.wants("queue")) queue.look();
    if (subscribers.wants("running")) running.look();
    if (clock.now() - aliveAt < ALIVE_MS) return;
    aliveAt = clock.now();
    subscribers.send(null, encode(frame("alive", "{}")));
  }

  function startOrStop(): void {
    if (subscribers.size > 0 && stopTicking === null) {
      aliveAt = clock.now();
      stopTicking = every(clock, TICK_MS, tick);
      stopReviewing = every(clock, REVIEW_MS, subscribers.review);
    } else if (subscribers.size === 0) {
      stopTicking?.();
      stopReviewing?.();
      stopTicking = null;
      stopReviewing = null;
      nodeChanges.clear();
      finished = [];
      happened = [];
      missed = 0;
    }
  }

  function flushSoon(): void {
    cancelFlush ??= clock.after(Math.max(0, flushedAt + FLUSH_MS - clock.now()), flush);
  }

  function flush(): void {
    cancelFlush = null;
    flushedAt = clock.now();
    if (finished.length > 0) send("requests", "requests", JSON.stringify({ finished: finished.reverse(), missed }));
    if (happened.length > 0) send("happenings", "happenings", happeningsJson(happened.reverse()));
    finished = [];
    happened = [];
    missed = 0;
  }

  /** The state as a newcomer gets it. Of nodes, queue and running requests it is what the others know. */
  function opening(topics: ReadonlySet<Topic>): string {
    const parts = [`retry: 3000\n\n${frame("hello", JSON.stringify(deps.hello))}`];
    if (topics.has("fleet")) {
      if (!subscribers.wants("fleet")) {
        nodeChanges.clear();
        nodeChanges.look();
        nodesLookedAt = clock.now();
      }
      parts.push(frame("fleet", nodeChanges.whole()));
    }
    if (topics.has("queue")) parts.push(frame("queue", queue.current()));
    if (topics.has("running")) parts.push(frame("running", running.current()));
    if (topics.has("happenings")) {
      // What the others are told in a moment stands in the list already.
      const told = deps.happenings().slice(happened.length);
      parts.push(frame("happenings", happeningsJson(told)));
    }
    return parts.join("");
  }

  return {
    /** Listeners now. */
    get listeners() {
      return subscribers.size;
    },

    /** The stream of a new listener; null where the hub is stopping or too many listen already. */
    listen(listener: Listener<Topic>): ReadableStream<Uint8Array> | null {
      if (stopped || subscribers.size >= MOST_LISTENERS) return null;
      return subscribers.add(listener, encode(opening(listener.topics)));
    },

    /** A request has ended; `brief` is what is told of it. */
    finished(brief: () => object): void {
      if (subscribers.size === 0 || !subscribers.wants("requests")) return;
      finished.push(brief());
      if (finished.length > MOST_FINISHED) {
        finished.shift();
        missed++;
      }
      flushSoon();
    },

    happened(happening: Happening): void {
      if (subscribers.size === 0 || !subscribers.wants("happenings")) return;
      happened.push(happening);
      if (happened.length > KEPT_HAPPENINGS) happened.shift();
      flushSoon();
    },

    /** A step of the statistics is over. */
    stepped(sample: Sample): void {
      if (subscribers.wants("stats")) send("stats", "stats", JSON.stringify(sample));
    },

    /** Ends every stream; from now on nobody is let in. */
    stop(): void {
      stopped = true;
      cancelFlush?.();
      subscribers.end();
    },
  };
}

function happeningsJson(happenings: readonly Happening[]): string {
  return JSON.stringify({ happenings });
}

/** One event. JSON has no line breaks of its own. */
function frame(event: string, json: string): string {
  return `event: ${event}\ndata: ${json}\n\n`;
}

const encoder = new TextEncoder();
const encode = (text: string) => encoder.encode(text);
