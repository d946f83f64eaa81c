/** All nodes in the order of LB_POLICY=least-busy, kept while they change: of ten thousand the first need no look at the others. */
import type { NodeFacts } from "../policy/eligibility.ts";

type Loaded = Pick<NodeFacts, "reserved" | "cpu" | "trust" | "joined">;

/** Negative when `a` goes before `b`, as in criteria.ts but for how long a node has been silent, which changes by itself. */
export function compareLoad(a: Loaded, b: Loaded): number {
  return a.reserved - b.reserved || a.cpu - b.cpu || a.trust.failures - b.trust.failures || a.joined - b.joined;
}

/** A binary heap of nodes that knows where each of them stands. */
export function createLoadOrder<Node extends Loaded>() {
  const heap: Node[] = [];
  const places = new Map<Node, number>();

  function put(node: Node, at: number): void {
    heap[at] = node;
    places.set(node, at);
  }

  /** Puts `node` at `from`, or where it belongs above or below that. */
  function settle(node: Node, from: number): void {
    let at = from;
    for (;;) {
      const above = heap[(at - 1) >> 1];
      if (at === 0 || above === undefined || compareLoad(above, node) <= 0) break;
      put(above, at);
      at = (at - 1) >> 1;
    }
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      const first = left && right && compareLoad(right, left) < 0 ? right : left;
      if (first === undefined || compareLoad(node, first) <= 0) break;
      const below = 2 * at + (first === left ? 1 : 2);
      put(first, at);
      at = below;
    }
    put(node, at);
  }

  return {
    /** `node` is there, and perhaps no more where it stood. */
    note(node: Node): void {
      settle(node, places.get(node) ?? heap.length);
    },

    delete(node: Node): void {
      const at = places.get(node);
      if (at === undefined) return;
      places.delete(node);
      const last = heap.pop();
      if (last !== undefined && last !== node) settle(last, at);
    },

    /** All of them, the least busy first; good until the next change. */
    *inOrder(): Generator<Node> {
      /** Places whose nodes come next, in their order: each one's own are behind it. */
      const next: number[] = heap.length > 0 ? [0] : [];
      for (let at = next.shift(); at !== undefined; at = next.shift()) {
        const node = heap[at];
        if (node !== undefined) yield node;
        for (const place of [2 * at + 1, 2 * at + 2]) {
          const each = heap[place];
          if (each === undefined) continue;
          let to = next.length;
          while (to > 0 && compareLoad(each, heap[next[to - 1] ?? 0] ?? each) < 0) to--;
          next.splice(to, 0, place);
        }
      }
    },
  };
}
