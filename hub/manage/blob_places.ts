/** Which node got which blob, so that the blobs of one model and the request that makes it of them meet. */

/** Milliseconds for which further blobs go where the last one went. */
const TOGETHER_MS = 600_000;
/** Digests remembered, the newest; a large model in pieces has some dozens. */
const REMEMBERED = 2_000;
/** Ollama takes both separators, and hexadecimal digits of either case. */
const DIGEST = /^sha256[:-]([0-9a-f]{64})$/i;

export type BlobPlaces = ReturnType<typeof createBlobPlaces>;

/** An empty memory. It forgets with the process: blobs that nobody used are removed by Ollama as well. */
export function createBlobPlaces() {
  const nodesOf = new Map<string, Set<string>>();
  let last: { readonly nodeId: string; readonly at: number } | null = null;

  return {
    /** A blob is going, or went, to this node at monotonic `now`, whoever sent it. */
    chose(nodeId: string, now: number): void {
      last = { nodeId, at: now };
    },
    /** The node to which blobs went a moment before `now`, or null. */
    chosen(now: number): string | null {
      return last !== null && now - last.at < TOGETHER_MS ? last.nodeId : null;
    },
    /** The node said that it has the blob. */
    stored(digest: string, nodeId: string): void {
      const key = keyOf(digest);
      if (key === null) return;
      const nodes = nodesOf.get(key) ?? new Set();
      nodes.add(nodeId);
      // To the end of the map: the first in it is the one to forget.
      nodesOf.delete(key);
      nodesOf.set(key, nodes);
      for (const oldest of nodesOf.keys()) {
        if (nodesOf.size <= REMEMBERED) break;
        nodesOf.delete(oldest);
      }
    },
    /** How many of `digests` each node has, by node id; nodes that have none are left out. */
    holders(digests: readonly string[]): Map<string, number> {
      const counts = new Map<string, number>();
      for (const digest of new Set(digests.map(keyOf))) {
        for (const nodeId of nodesOf.get(digest ?? "") ?? []) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
      }
      return counts;
    },
  };
}

function keyOf(digest: string): string | null {
  return DIGEST.exec(digest)?.[1]?.toLowerCase() ?? null;
}
