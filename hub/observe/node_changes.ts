/** Which nodes look different from the last time, by the JSON that people get of them. */

/** A node as `GET /nodes` describes it. */
export interface DescribedNode {
  readonly node_id: string;
  /** Counts down by itself wherever it is shown. */
  readonly trust_until_ms: number | null;
}

interface Seen {
  readonly json: string;
  /** `json` without what changes all the time. */
  readonly key: string;
}

/** Compares what `describe` gives for all nodes; nothing is looked at before `look` or `whole`. */
export function createNodeChanges(describe: () => Iterable<DescribedNode>) {
  let seen = new Map<string, Seen>();

  return {
    /** Nodes at the last look. */
    get size() {
      return seen.size;
    },

    /** What has changed since the last look as JSON, `{changed, removed}`, or null. */
    look(): string | null {
      const changed: string[] = [];
      const now = new Map<string, Seen>();
      for (const node of describe()) {
        const json = JSON.stringify(node);
        const key = node.trust_until_ms === null ? json : JSON.stringify({ ...node, trust_until_ms: 0 });
        if (seen.get(node.node_id)?.key !== key) changed.push(json);
        now.set(node.node_id, { json, key });
      }
      const removed = [...seen.keys()].filter((id) => !now.has(id));
      seen = now;
      if (changed.length === 0 && removed.length === 0) return null;
      return `{"changed":[${changed.join(",")}],"removed":${JSON.stringify(removed)}}`;
    },

    /** All nodes as of the last look, as JSON: `{nodes}`. */
    whole: (): string => `{"nodes":[${Array.from(seen.values(), ({ json }) => json).join(",")}]}`,

    /** Forgets everything. */
    clear(): void {
      seen.clear();
    },
  };
}
