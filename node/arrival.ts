/** A request as it reached this node, and the reading of its body as a whole. */
import { hashOf } from "../shared/identity.ts";

export interface Arrival {
  readonly request: Request;
  readonly requestId: string;
  /** What the body has to hash to, as its ticket says; null where there is none to say it. */
  readonly bodyHash: string | null;
  /** Sets after how many seconds without progress the connection is closed; 0 never. */
  readonly setIdleTimeout: (seconds: number) => void;
}

/** True when `bytes` are the body that the ticket of `arrival` is for. */
export function isTicketed({ bodyHash }: Arrival, bytes: Uint8Array): boolean {
  return bodyHash === null || hashOf(bytes) === bodyHash;
}

/** What is said of a body that its ticket is not for. */
export const OTHER_BODY = "the ticket is for another body";

/** The whole body; "gone" when it broke off, "too_large" as soon as it is known to have more than `limit` bytes. */
export async function readWhole(request: Request, limit: number): Promise<Uint8Array | "gone" | "too_large"> {
  // What is announced is believed when it is too much only: a chunked body announces nothing.
  const announced = request.headers.get("content-length");
  if (Number(announced ?? 0) > limit) return "too_large";
  try {
    // One buffer of the right size. Pieces put together are the body twice.
    if (announced !== null) return new Uint8Array(await request.arrayBuffer());
  } catch {
    return "gone";
  }
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of request.body ?? []) {
      size += piece.byteLength;
      // Leaving the loop cancels the body; Bun throws away the rest.
      if (size > limit) return "too_large";
      pieces.push(piece);
    }
  } catch {
    return "gone";
  }
  const [only] = pieces;
  return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces);
}
