/** A limit on how long something may take that happens again and again, such as the next piece of an answer. */
import type { Clock } from "../shared/clock.ts";

export interface IdleLimit {
  /** From now on it runs. */
  begin(): void;
  /** What it waited for has happened. */
  pause(): void;
  /** It is not needed any more. */
  end(): void;
}

/**
 * Calls `onDue` when `ms` milliseconds have passed since `begin` without `pause` or `end`. One timer serves many rounds,
 * set again only when it rings too early: two timers for each token of each stream cost as much as passing it on.
 */
export function createIdleLimit(clock: Clock, ms: number, onDue: () => void): IdleLimit {
  return new Limit(clock, ms, onDue);
}

class Limit implements IdleLimit {
  private beganAt: number | null = null;
  private cancel: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly ms: number,
    private readonly onDue: () => void,
  ) {}

  begin(): void {
    this.beganAt = this.clock.now();
    this.cancel ??= this.ringAfter(this.ms);
  }

  pause(): void {
    this.beganAt = null;
  }

  end(): void {
    this.beganAt = null;
    this.cancel?.();
    this.cancel = null;
  }

  private ringAfter(ms: number): () => void {
    return this.clock.after(ms, () => this.look());
  }

  private look(): void {
    this.cancel = null;
    if (this.beganAt === null) return;
    const rest = this.beganAt + this.ms - this.clock.now();
    if (rest <= 0) this.onDue();
    else this.cancel = this.ringAfter(rest);
  }
}
