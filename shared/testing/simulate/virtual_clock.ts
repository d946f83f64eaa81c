/** A clock of which an hour passes in a second: time jumps from one thing that falls due to the next. */
import type { Clock } from "../../clock.ts";

export interface VirtualClock extends Clock {
  /** Jumps to the next timer that is due by `until` and runs it; false when there is none. */
  step(until: number): boolean;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  run: (() => void) | null;
}

/** A clock at monotonic 0 and wall 2026-01-01T00:00:00Z. Timers of the same time run in the order they were set. */
export function virtualClock(): VirtualClock {
  const heap: Timer[] = [];
  let now = 0;
  let order = 0;

  const before = (a: Timer | undefined, b: Timer | undefined) =>
    a !== undefined && b !== undefined && (a.at < b.at || (a.at === b.at && a.order < b.order));

  function swap(one: number, other: number): void {
    const [a, b] = [heap[one], heap[other]];
    if (a && b) [heap[one], heap[other]] = [b, a];
  }

  function push(timer: Timer): void {
    heap.push(timer);
    for (let index = heap.length - 1; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (!before(heap[index], heap[parent])) return;
      swap(index, parent);
      index = parent;
    }
  }

  function pop(): void {
    swap(0, heap.length - 1);
    heap.pop();
    for (let index = 0; ; ) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      let least = index;
      if (before(heap[left], heap[least])) least = left;
      if (before(heap[right], heap[least])) least = right;
      if (least === index) return;
      swap(index, least);
      index = least;
    }
  }

  return {
    now: () => now,
    wall: () => new Date(Date.UTC(2026, 0, 1) + now),
    after(ms, run) {
      const timer: Timer = { at: now + Math.max(0, ms), order: order++, run };
      push(timer);
      return () => {
        timer.run = null;
      };
    },
    step(until) {
      for (let [next] = heap; next; [next] = heap) {
        if (next.run !== null && next.at > until) return false;
        pop();
        if (next.run === null) continue;
        now = next.at;
        next.run();
        return true;
      }
      return false;
    },
  };
}
