/** Brings one request to one node: dials its routes in order and gives the body to the first connection that stands. */
import { errorCode, type FleetFetch } from "../shared/fleet_fetch.ts";
import { HEADERS } from "../shared/protocol.ts";
import type { Route, RouteTry } from "./fleet/node_record.ts";

export interface DeliveryTimes {
  /** Milliseconds a connection may take, per route. */
  readonly connectMs: number;
  /** Milliseconds after which the next route is dialled beside one that has not connected yet (RFC 8305: 250). */
  readonly staggerMs: number;
}

export interface Parcel {
  /** POST unless told otherwise. */
  readonly method?: "POST" | "DELETE";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Gives a ticket for one connection, each time another; null where the node knows none. */
  readonly ticket?: (() => string) | null;
  /** Bytes, or what is too large to keep: read by the connection that wins, once. */
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  /** Aborted when nobody wants the answer any more, whatever the reason. */
  readonly signal: AbortSignal;
}

export type Delivery =
  /** One connection stood and got the body. `response` rejects when it breaks before the status line. */
  | { readonly kind: "delivered"; readonly route: Route; readonly response: Promise<Response> }
  /** No connection stood: nothing was delivered. */
  | { readonly kind: "not_sent"; readonly failures: readonly RouteFailure[] };

export interface RouteFailure {
  readonly route: Route;
  readonly error: Error;
}

export interface DeliverDeps {
  readonly fetch: FleetFetch;
  readonly times: DeliveryTimes;
  /** Told of every route that connected, or did not in time, so that the next request knows better. */
  readonly onRoute: (route: Route, tried: RouteTry) => void;
}

/** A connection that did not stand in time. */
class ConnectTimeout extends Error {
  override readonly name = "ConnectTimeout";
}

/** Why the connections that lost the race are closed. */
const LOST_THE_RACE = new Error("another address connected first");

/**
 * Delivers `parcel` by the first of `routes` on which a connection stands. The routes are dialled one after another,
 * each next one as soon as the one before failed or has taken `staggerMs`. The body is sent once: Bun asks a request's
 * body stream for data only when the connection stands (docs/architecture.md), and only the first that asks gets it.
 */
export async function deliver(routes: readonly Route[], parcel: Parcel, deps: DeliverDeps): Promise<Delivery> {
  const { promise: won, resolve: onWon } = Promise.withResolvers<void>();
  const race: Race = { winner: null, onWon };
  const dials: Dial[] = [];
  for (const route of routes) {
    const dial = new Dial(route, parcel, race, deps);
    dials.push(dial);
    // An earlier dial may be the one that connects while this one is still at it.
    await Promise.race([dial.connecting, won, Bun.sleep(deps.times.staggerMs)]);
    if (race.winner !== null || parcel.signal.aborted) break;
  }
  // Not "all" alone: once one stands, the others are cut, which ends their waiting too.
  await Promise.race([won, Promise.all(dials.map((dial) => dial.connecting))]);

  const { winner } = race;
  for (const dial of dials) if (dial !== winner) dial.giveUp(winner !== null);
  if (winner !== null) return { kind: "delivered", route: winner.route, response: winner.response };
  return { kind: "not_sent", failures: dials.map(({ route, failure }) => ({ route, error: failure })) };
}

interface Race {
  winner: Dial | null;
  /** To be called once there is a winner. */
  readonly onWon: () => void;
}

/** What stays of a dial as long as the answer it brought: ends it when nobody wants it any more. */
class Cut implements EventListenerObject {
  readonly abort = new AbortController();

  constructor(private readonly caller: AbortSignal) {
    if (caller.aborted) this.handleEvent();
    else caller.addEventListener("abort", this, { once: true });
  }

  handleEvent(): void {
    this.abort.abort(this.caller.reason);
  }

  /** Whatever the caller does, that dial is over. */
  now(reason: Error): void {
    this.caller.removeEventListener("abort", this);
    this.abort.abort(reason);
  }
}

/** One connection of a race, and the source of the body it sends. */
class Dial {
  /** Resolves once it is connected, or that has failed. Never rejects. */
  readonly connecting: Promise<void>;
  readonly response: Promise<Response>;
  /** What went wrong, once it has. */
  failure: Error = LOST_THE_RACE;
  private readonly cut: Cut;
  private readonly connectLimit: Timer;
  private readonly settled: () => void;
  private state: "dialling" | "connected" | "failed" = "dialling";
  private readonly caller: AbortSignal;
  private readonly body: Parcel["body"];
  private streamed: Reader | null = null;

  constructor(
    readonly route: Route,
    parcel: Parcel,
    private readonly race: Race,
    private readonly deps: DeliverDeps,
  ) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.connecting = promise;
    this.settled = resolve;
    this.body = parcel.body;
    this.caller = parcel.signal;
    this.cut = new Cut(parcel.signal);
    const { abort } = this.cut;
    const { connectMs } = deps.times;
    this.connectLimit = setTimeout(
      () => abort.abort(new ConnectTimeout(`no connection within ${connectMs} ms`)),
      connectMs,
    );
    const headers = withTicket(parcel);
    this.response = deps.fetch(route.origin + parcel.path, {
      method: parcel.method ?? "POST",
      headers: parcel.body instanceof Uint8Array ? withLength(headers, parcel.body) : headers,
      body: new ReadableStream<Uint8Array>(this, { highWaterMark: 0 }),
      signal: abort.signal,
      fresh: true,
      cert: route.cert ?? null,
    });
    // Rejected before the body was asked for: whatever the reason, nothing was delivered.
    this.response.catch((error) => this.settle(false, error));
  }

  private settle(connected: boolean, error?: unknown): void {
    if (this.state !== "dialling") return;
    this.state = connected ? "connected" : "failed";
    if (error !== undefined) this.failure = error instanceof Error ? error : new Error(String(error));
    clearTimeout(this.connectLimit);
    // A client that left in the middle says nothing about the route, nor does a hub that cannot dial at all.
    if (!this.caller.aborted && !isOwnShortage(error))
      this.deps.onRoute(this.route, connected ? "connected" : howFailed(error));
    this.settled();
  }

  /** The connection stands and asks for more of the body. */
  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    if (this.streamed) return passOn(this.streamed, controller);
    // Given up a moment before it connected: fetch rejects, and that settles it.
    const { signal } = this.cut.abort;
    if (signal.aborted) return controller.error(signal.reason);
    this.race.winner ??= this;
    this.race.onWon();
    this.settle(true);
    if (this.race.winner !== this) return controller.error(LOST_THE_RACE);
    this.streamed = this.body instanceof Uint8Array ? inPieces(this.body) : this.body.getReader();
    return passOn(this.streamed, controller);
  }

  /** The connection does not take the rest of the body. */
  cancel(reason: unknown): Promise<void> | undefined {
    return this.streamed?.cancel(reason).catch(() => {});
  }

  /** Ends a dial that did not win. `beaten`: another one connected while this one was still at it. */
  giveUp(beaten: boolean): void {
    // Slower than the stagger and overtaken: next time the other one goes first, until a probe connects here.
    if (beaten && this.state === "dialling") this.settle(false, LOST_THE_RACE);
    this.cut.now(LOST_THE_RACE);
  }
}

function howFailed(error: unknown): RouteTry {
  if (error === LOST_THE_RACE) return "overtaken";
  return error instanceof ConnectTimeout ? "slow" : "failed";
}

/** True when `error` says that this process has no descriptors left, which is nobody else's fault. */
export function isOwnShortage(error: unknown): boolean {
  return error instanceof Error && /^(EMFILE|ENFILE)/.test(errorCode(error) || error.message);
}

/** The headers of one sending of `parcel`. */
export function withTicket({ headers, ticket }: Pick<Parcel, "headers" | "ticket">): Readonly<Record<string, string>> {
  return ticket ? { ...headers, [HEADERS.ticket]: ticket() } : headers;
}

function withLength(headers: Readonly<Record<string, string>>, body: Uint8Array): Record<string, string> {
  return { ...headers, "content-length": String(body.byteLength) };
}

/** The two methods of a reader that are used here; Bun's types and the web's disagree about a third. */
interface Reader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(reason: unknown): Promise<void>;
}

/** Bytes of a body that fetch gets at a time. It copies them, so a node that takes them slowly must not get all at once. */
const PIECE_BYTES = 1_048_576;

/** Reads `bytes` without copying them; the last piece comes with the end. */
function inPieces(bytes: Uint8Array): Reader {
  let at = 0;
  return {
    async read() {
      const value = bytes.subarray(at, at + PIECE_BYTES);
      at += PIECE_BYTES;
      return { done: at >= bytes.byteLength, value };
    },
    async cancel() {},
  };
}

async function passOn(from: Reader, to: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
  const { done, value } = await from.read();
  if (value) to.enqueue(value);
  if (done) to.close();
}
