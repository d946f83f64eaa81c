/** Reading a request's body: whole, bounded, and with the time limit for slow senders lifted once it is here. */
import type { Context } from "hono";
import { type HttpServer, IDLE_TIMEOUT_SECONDS } from "../../shared/listen.ts";

export type HubEnv = { Bindings: HttpServer };

/** The body, or why there is none: too large, or the client broke off. */
export type Body =
  | { readonly kind: "whole"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "too large" }
  | { readonly kind: "broken off" };

/** Reads the body of `context`'s request if it is no larger than `limit` bytes; one that is larger is not kept. */
export async function readBody(context: Context<HubEnv>, limit: number): Promise<Body> {
  const request = context.req.raw;
  const announced = request.headers.get("content-length");
  if (Number(announced ?? 0) > limit) return { kind: "too large" };
  try {
    if (announced !== null) return { kind: "whole", bytes: new Uint8Array(await request.arrayBuffer()) };
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of request.body ?? []) {
      size += piece.byteLength;
      if (size > limit) return { kind: "too large" };
      pieces.push(piece);
    }
    return { kind: "whole", bytes: new Uint8Array(Buffer.concat(pieces)) };
  } catch {
    return { kind: "broken off" };
  }
}

/** An answer may take minutes to its first byte: from now on this request's own timers decide, not the server's. */
export function liftIdleTimeout(context: Context<HubEnv>): void {
  context.env.timeout(context.req.raw, 0);
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
