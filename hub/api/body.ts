/** Reading a request's body: whole, bounded alone and together with all others, and when slow senders are cut off. */
import type { Context } from "hono";
import type { Address } from "../../shared/address.ts";
import { type HttpServer, IDLE_TIMEOUT_SECONDS } from "../../shared/listen.ts";
import type { Lease } from "../access/limits.ts";
import type { BodyBudget, BodyShare } from "../body_budget.ts";
import type { Caller } from "../policy/callers.ts";
import type { Role } from "../policy/roles.ts";
import type { OpenRecord, Used } from "../request_log.ts";

export type HubEnv = {
  Bindings: HttpServer;
  Variables: {
    /** Where the request comes from, as the guard saw it: a client that has hung up since is from nowhere any more. */
    source?: Address | null;
    /** The place of the request's body in the hub's budget, from reading it to the request's end. */
    bodyShare?: BodyShare;
    /** What is written down of the request, which has to be ended whatever happens. */
    record?: OpenRecord;
    /** Its place among what its caller may do at a time; ends with it. */
    lease?: Lease;
    /** Who it is from, once it is let in. */
    caller?: Caller;
    role?: Role;
    /** Whether it would be let in again now; for answers that last. */
    mayStay?: () => boolean;
    /** Why it is not let in, until that is answered. */
    refusal?: Refused;
  };
};

/** What is answered to a request that is not let in. */
export interface Refused {
  readonly status: number;
  readonly sentence: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The body, or why there is none: too large, too much beside all that is held already, or the client broke off. */
export type Body =
  | { readonly kind: "whole"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "too large" }
  | { readonly kind: "no room" }
  | { readonly kind: "broken off" };

/**
 * Reads the body of `context`'s request if it is no larger than `limit` bytes and fits into `budget` now; one that does
 * not is not kept, and not read either where its length is known. What it takes of the budget is given back, and the
 * bytes are freed, by what `releaser` gives, to be called when the request ends; a body that did not come whole takes
 * nothing.
 */
export async function readBody(context: Context<HubEnv>, limit: number, budget?: BodyBudget): Promise<Body> {
  const share = budget?.open();
  const body = await read(context.req.raw, limit, share);
  if (body.kind === "whole") {
    share?.holds(body.bytes);
    context.set("bodyShare", share);
  } else share?.release();
  return body;
}

/** The status for a body that was not read, and in a sentence, or for 503 in half of one, why. */
export function whyUnread(
  kind: Exclude<Body["kind"], "whole">,
  { maxBody, bodyBudget }: { readonly maxBody: number; readonly bodyBudget: BodyBudget },
): { readonly status: 400 | 413 | 503; readonly why: string } {
  switch (kind) {
    case "too large":
      return { status: 413, why: `The body is larger than ${maxBody / 1e6} MB (MAX_BODY_MB)` };
    case "no room": {
      const held = Math.floor(bodyBudget.size / 1e6);
      return { status: 503, why: `it holds ${held} MB of other requests already (MAX_BUFFERED_MB)` };
    }
    case "broken off":
      return { status: 400, why: "The body broke off before its end" };
  }
}

/**
 * What gives back what the request's body took of the budget, frees its bytes, and counts the request as ended for its
 * caller. Harmless when called twice.
 */
export function releaser(context: Context<HubEnv>): (used?: Used) => void {
  const share = context.get("bodyShare");
  const lease = context.get("lease");
  return (used) => {
    share?.release();
    lease?.end(used?.tokens);
  };
}

async function read(request: Request, limit: number, share: BodyShare | undefined): Promise<Body> {
  const announced = request.headers.get("content-length");
  const length = Number(announced ?? 0);
  if (length > limit) return { kind: "too large" };
  if (share?.grow(length) === false) return { kind: "no room" };
  try {
    if (announced !== null) return { kind: "whole", bytes: new Uint8Array(await request.arrayBuffer()) };
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for await (const piece of request.body ?? []) {
      size += piece.byteLength;
      if (size > limit) return { kind: "too large" };
      if (share?.grow(piece.byteLength) === false) return { kind: "no room" };
      pieces.push(piece);
    }
    return { kind: "whole", bytes: join(pieces, size) };
  } catch {
    return { kind: "broken off" };
  }
}

/** `pieces` as one, each freed as soon as it is copied: held to the end, and left to the collector, they were all of it again. */
export function join(pieces: readonly Uint8Array<ArrayBuffer>[], size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
    // Every piece of Bun's has its own; one that is part of something larger would take that with it.
    if (piece.byteLength === piece.buffer.byteLength) piece.buffer.transfer(0);
  }
  return bytes;
}

/** An answer may take minutes to its first byte: from now on this request's own timers decide, not the server's. */
export function liftIdleTimeout(context: Context<HubEnv>): void {
  context.env.timeout(context.req.raw, 0);
}

/** Closes the connection of `context`'s client within seconds when nothing moves on it, whatever is still to be sent. */
export function hangUpOf(context: Context<HubEnv>): () => void {
  const { env: server } = context;
  const request = context.req.raw;
  return () => server.timeout(request, 1);
}

/** The server's longest limit; 0 is the only way to say "longer". */
const LONGEST_IDLE_TIMEOUT_SECONDS = 255;

/**
 * While the answer runs, and for the connection when it is idle afterwards, a limit just above what a node may pause:
 * a client that vanished without a word is noticed by it.
 */
export function boundIdleTimeout(context: Context<HubEnv>, pauseMs: number): void {
  const seconds = Math.ceil(pauseMs / 1000) + IDLE_TIMEOUT_SECONDS;
  context.env.timeout(context.req.raw, seconds > LONGEST_IDLE_TIMEOUT_SECONDS ? 0 : seconds);
}
