/** Reading compressed bodies: unpacked one at a time, and only as far as there is room for them among all bodies. */
import { createZstdDecompress } from "node:zlib";
import type { BodyBudget, BodyShare } from "../body_budget.ts";
import { join } from "./body.ts";

/** In the place of what was read: unpacked, the body does not fit beside what is held already. */
export const NO_ROOM = Symbol("no room");

/** Bytes after unpacking; Ollama's own limit for compressed requests. */
const LARGEST_UNPACKED = 20 * 1024 * 1024;

/**
 * What `read` gives for `packed` (zstd) unpacked, of which nothing is kept, or NO_ROOM. A few hundred bytes may be
 * twenty megabytes: what they take comes out of `budget`, and not many times at once. Undefined when `signal` was aborted
 * before its turn.
 */
export function readUnpacked<T>(
  packed: Uint8Array,
  read: (unpacked: Uint8Array) => T,
  budget: BodyBudget,
  signal: AbortSignal,
): Promise<T | typeof NO_ROOM | undefined> {
  return budget.oneByOne(async () => {
    if (signal.aborted) return undefined;
    const share = budget.open();
    try {
      const unpacked = await unpack(packed, share);
      if (unpacked === NO_ROOM) return NO_ROOM;
      share.holds(unpacked);
      return read(unpacked);
    } finally {
      share.release();
    }
  });
}

/** As much of it as Ollama would read: it stops at the end of the object, whatever comes after, whole or broken. */
function unpack(packed: Uint8Array, share: BodyShare): Promise<Uint8Array<ArrayBuffer> | typeof NO_ROOM> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  let fits = true;
  return new Promise((resolve) => {
    const unpacked = createZstdDecompress();
    const end = () => resolve(fits ? join(pieces.splice(0), size) : NO_ROOM);
    unpacked.on("data", (piece: Uint8Array<ArrayBuffer>) => {
      fits &&= share.grow(piece.byteLength);
      if (fits) pieces.push(piece);
      size += piece.byteLength;
      if (!fits || size > LARGEST_UNPACKED) unpacked.destroy();
    });
    // Broken further on or not: what came before counts.
    unpacked.on("error", end).on("close", end).end(packed);
  });
}
