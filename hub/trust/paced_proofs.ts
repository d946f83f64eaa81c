/** How often a node is asked at once to prove its addresses: with each heartbeat it could name another one to be dialled. */
import type { Clock } from "../../shared/clock.ts";
import type { NodeRecord } from "../fleet/node_record.ts";

/** Rounds of questions at once within the time; the next one waits, and asks at the addresses there are then. */
export const MOST_ROUNDS = 3;
const WITHIN_MS = 30_000;

export interface PacedProofsDeps {
  readonly clock: Pick<Clock, "now" | "after">;
  /** Asks the node at every address to prove itself, now. */
  readonly prove: (node: NodeRecord) => void;
  /** False once the node is another one, or none. */
  readonly isThere: (node: NodeRecord) => boolean;
}

/** Returns what asks a node for proof as soon as it may be asked. */
export function paceProofs({ clock, prove, isThere }: PacedProofsDeps): (node: NodeRecord) => void {
  const rounds = new WeakMap<NodeRecord, number[]>();
  const waiting = new WeakSet<NodeRecord>();

  function begin(node: NodeRecord): void {
    const now = clock.now();
    const recent = (rounds.get(node) ?? []).filter((at) => now - at < WITHIN_MS);
    rounds.set(node, recent);
    const [oldest = now] = recent;
    if (recent.length < MOST_ROUNDS) {
      recent.push(now);
      return prove(node);
    }
    if (waiting.has(node)) return;
    waiting.add(node);
    clock.after(oldest + WITHIN_MS - now, () => {
      waiting.delete(node);
      if (isThere(node)) begin(node);
    });
  }

  return begin;
}
