/** How much of all request bodies the hub holds at a time: one budget, so that large ones cannot take all memory. */

/** Bytes: a question of this size is not refused because of somebody's pictures. */
export const SMALL_BODY = 65_536;
/** By how much of the budget small bodies may go over it, all together. */
const SMALL_BODIES_SHARE = 1 / 8;

export interface BodyBudget {
  /** Bytes all bodies may take together; small ones may go over it by an eighth. */
  readonly size: number;
  /** Bytes taken now. */
  readonly taken: number;
  /** The place of one request's body, empty at first. */
  open(): BodyShare;
}

export interface BodyShare {
  /** Takes `bytes` more; false when they do not fit, and then takes nothing. */
  grow(bytes: number): boolean;
  /** Gives everything back, once; from then on nothing can be taken. */
  release(): void;
}

/** A budget of `size` bytes with nothing in it. */
export function createBodyBudget(size: number): BodyBudget {
  let taken = 0;
  return {
    size,
    get taken() {
      return taken;
    },
    open() {
      let held = 0;
      let open = true;
      return {
        grow(bytes) {
          const limit = held + bytes <= SMALL_BODY ? size * (1 + SMALL_BODIES_SHARE) : size;
          if (!open || taken + bytes > limit) return false;
          held += bytes;
          taken += bytes;
          return true;
        },
        release() {
          open = false;
          taken -= held;
          held = 0;
        },
      };
    },
  };
}

/**
 * Share of the memory that bodies may take where nothing is set. One that waits costs its size (measured: 1.1 times),
 * while it is read, and parsed or sent, up to four times (`reference/bun.md` 5): half of the memory at the very worst.
 */
const MEMORY_SHARE = 1 / 8;

/** Bytes for all bodies: what was set, or an eighth of `memory`; never less than the largest single body. */
export function budgetSize(setMb: number | null, memory: number, maxBody: number): number {
  return Math.max(maxBody, setMb === null ? Math.floor(memory * MEMORY_SHARE) : Math.round(setMb * 1e6));
}
