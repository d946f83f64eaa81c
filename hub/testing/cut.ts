/** Streams cut anywhere, and put together again as the relay does it. */
import type { Framing } from "../job.ts";

/** The whole frames of `whole`, which comes in pieces cut at `cuts`, and what is left behind the last one. */
export function framesOfPieces(
  { endOfLastFrame }: Pick<Framing, "endOfLastFrame">,
  whole: Uint8Array,
  cuts: readonly number[],
) {
  const places = [0, ...cuts.map((cut) => cut % (whole.length + 1)).toSorted((a, b) => a - b), whole.length];
  const frames: Uint8Array[] = [];
  let partial: Uint8Array = new Uint8Array();
  for (const [index, place] of places.slice(1).entries()) {
    partial = Buffer.concat([partial, whole.subarray(places[index] ?? 0, place)]);
    const end = endOfLastFrame(partial);
    if (end > 0) frames.push(partial.subarray(0, end));
    partial = partial.subarray(end);
  }
  return { frames, partial };
}
