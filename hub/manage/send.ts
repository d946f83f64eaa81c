/** One management request to one node: sent once, its answer read as it comes, its end written down. */
import { ANY_MODEL } from "../../shared/model_name.ts";
import type { Method } from "../../shared/ollama_routes.ts";
import { CLIENT_CLOSED_REQUEST, HEADERS } from "../../shared/protocol.ts";
import { type Delivery, deliver, type Parcel, type RouteFailure, withTicket } from "../deliver.ts";
import { isStatus, noStatus, withoutWords, wordsIn } from "../error_words.ts";
import type { NodeRecord, Route } from "../fleet/node_record.ts";
import { type ForwardDeps, notSent } from "../forward.ts";
import { AttemptError, asAttemptError, type Line, openLine } from "../line.ts";
import { headersFromNode } from "../node_headers.ts";
import { RULES } from "../policy/failover.ts";
import { declineReason, readAll } from "../read_answer.ts";
import type { Registry } from "../registry.ts";
import type { OpenRecord } from "../request_log.ts";
import { attemptOf } from "../verdict.ts";

export interface SendDeps extends ForwardDeps {
  readonly registry: Registry;
}

/** A management request on its way to one node or several. */
export interface Errand {
  /** `X-Request-Id`. */
  readonly id: string;
  readonly method: Exclude<Method, "GET">;
  /** Path and query on the node. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds to the first byte of the answer; null where minutes of silence are no failure. */
  readonly patienceMs: number | null;
  /** Aborted when the client goes away: what the node does for it ends then, as on a single Ollama. */
  readonly signal: AbortSignal;
  readonly record: OpenRecord;
}

export type Sent = Answered | Unanswered;

/** The node answers; `end` has to be called. */
export interface Answered {
  readonly kind: "answered";
  readonly node: NodeRecord;
  readonly status: number;
  /** What of its headers the client gets. */
  readonly headers: Headers;
  /** The next piece of the body, null at its end. Rejects with an AttemptError, or when the client has left. */
  read(): Promise<Uint8Array | null>;
  /** Writes down how it ended, null for well, and stops the node's work if it is still at it. Later calls do nothing. */
  end(error: string | null): void;
}

export interface Unanswered {
  readonly kind: "unanswered";
  readonly node: NodeRecord;
  readonly status: number;
  /** In words; "" when the client left. */
  readonly message: string;
  /** True when the node's Ollama has seen nothing of it, so that another node may be asked. */
  readonly untouched: boolean;
}

/** Bytes of an answer that is no stream. */
export const LARGEST_ANSWER = 4_000_000;
/** The longest a timer can wait, 24 days: no limit. */
const FOREVER_MS = 2 ** 31 - 1;
/** Milliseconds a node has to answer a HEAD, per route. */
const HEAD_MS = 5_000;

/** Sends `errand` with `body` to `node` and waits for the status of its answer. Never rejects. */
export async function send(errand: Errand, node: NodeRecord, body: Parcel["body"], deps: SendDeps): Promise<Sent> {
  const { clock, registry } = deps;
  const sentAt = clock.now();
  // It takes no slot, but has to be probed like a node with work, or its loss would never be noticed.
  const unwatch = registry.watch(node.id);
  const line = lineFor(errand, node, deps);
  let route: Route | null = null;
  let ended = false;

  const end = (outcome: string, error: string | null) => {
    if (ended) return;
    ended = true;
    unwatch();
    line.close();
    errand.record.attempted(attemptOf(node.id, route, errand.path, { outcome, error, ms: clock.now() - sentAt }));
  };
  const unanswered = (outcome: string, status: number, message: string, untouched: boolean): Unanswered => {
    end(outcome, message);
    return { kind: "unanswered", node, status, message, untouched };
  };

  /** What `error` means, and for the node's address as well. */
  function doubt(error: unknown): AttemptError {
    const failed = asAttemptError(error);
    if (RULES[failed.failure].doubts) registry.doubt(node.id);
    return failed;
  }
  function broke(error: unknown): never {
    if (!errand.signal.aborted) doubt(error);
    throw error;
  }

  try {
    const delivery = await bring(errand, node, body, line, deps);
    line.signal.throwIfAborted();
    if (delivery.kind === "not_sent") {
      const { failure, message, status } = notSent(node.id, delivery.failures);
      if (failure === "unreachable" && errand.method !== "HEAD") registry.failed(node.id, message);
      return unanswered(failure, status, message, failure === "unreachable");
    }
    route = delivery.route;
    const response = await delivery.response;
    const source = line.read(response);
    const declined = declineReason(response.headers);
    if (declined !== null) {
      const words = wordsIn(await readAll(source, LARGEST_ANSWER)) ?? withoutWords(response.status);
      // A body that is read only once is gone.
      const untouched = body instanceof Uint8Array;
      if (declined === "wrong_node") {
        registry.routeSeen(node.id, route.origin, "failed");
        registry.failed(node.id, words);
        return unanswered("unreachable", 503, words, untouched);
      }
      if (declined === "draining" || declined === "ollama_down") registry.declined(node.id, declined);
      return unanswered("declined", response.status, words, untouched);
    }
    const { status } = response;
    if (!isStatus(status)) throw new AttemptError("protocol_error", noStatus(status));
    return {
      kind: "answered",
      node,
      status,
      headers: headersFromNode(response.headers),
      read: () => source.read().catch(broke),
      end: (error) => end(error === null ? "ok" : status < 400 ? "failed" : "rejected", error),
    };
  } catch (error) {
    if (errand.signal.aborted) return unanswered("cancelled", CLIENT_CLOSED_REQUEST, "", false);
    const { failure, message, status } = doubt(line.signal.aborted ? line.signal.reason : error);
    return unanswered(failure, status, message, false);
  }
}

function lineFor({ id, signal, patienceMs }: Errand, node: NodeRecord, deps: SendDeps): Line {
  const firstByteMs = patienceMs ?? FOREVER_MS;
  return openLine({ id, signal, key: ANY_MODEL, stream: true, deadlineAt: deps.clock.now() + FOREVER_MS }, node, {
    ...deps,
    attemptTimes: { firstByteMs, firstByteLoadingMs: firstByteMs, wholeAnswerMs: firstByteMs, idleMs: FOREVER_MS },
  });
}

function bring(
  errand: Errand,
  node: NodeRecord,
  body: Parcel["body"],
  { signal }: Line,
  deps: SendDeps,
): Promise<Delivery> {
  const routes = deps.registry.routesOf(node);
  const headers = { ...errand.headers, [HEADERS.requestId]: errand.id, [HEADERS.nodeId]: node.id };
  const { id, method, path } = errand;
  const ticket = deps.tickets.for(node, { id, method, path, body: method === "HEAD" ? null : body });
  if (method === "HEAD") return ask(routes, { path, headers, ticket, signal }, deps.fetch);
  const parcel = { method, path, headers, ticket, body, signal };
  const { fetch, times, onRoute } = deps;
  return deliver(routes, parcel, { fetch, times, onRoute: (route, tried) => onRoute(node.id, route, tried) });
}

/** A HEAD has no body that could tell when a connection stands, so that one time limit is for all of it. */
async function ask(
  routes: readonly Route[],
  { path, signal, ...more }: Pick<Parcel, "path" | "headers" | "ticket" | "signal">,
  fetch: SendDeps["fetch"],
): Promise<Delivery> {
  const failures: RouteFailure[] = [];
  for (const route of routes) {
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(HEAD_MS)]);
      const response = await fetch(route.origin + path, {
        method: "HEAD",
        headers: withTicket(more),
        signal: limited,
        cert: route.cert ?? null,
      });
      return { kind: "delivered", route, response: Promise.resolve(response) };
    } catch (error) {
      if (signal.aborted) break;
      failures.push({ route, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }
  return { kind: "not_sent", failures };
}
