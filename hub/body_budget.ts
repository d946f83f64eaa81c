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
  /** What `work` gives, begun when all that was given here before has ended: for what makes much of little. */
  oneByOne<T>(work: () => Promise<T>): Promise<T>;
}

export interface BodyShare {
  /** Takes `bytes` more; false when they do not fit, and then takes nothing. */
  grow(bytes: number): boolean;
  /** `bytes`, all of their buffer, are what was taken for: giving back frees them. What was held before is freed now. */
  holds(bytes: Uint8Array<ArrayBuffer>): void;
  /** Gives everything back, once; from then on nothing can be taken, and the bytes are gone. */
  release(): void;
}

/** A budget of `size` bytes with nothing in it. */
export function createBodyBudget(size: number): BodyBudget {
  const budget: Budget = { size, taken: 0 };
  let last: Promise<unknown> = Promise.resolve();
  return {
    size,
    get taken() {
      return budget.taken;
    },
    oneByOne(work) {
      const done = last.then(work);
      last = done.catch(() => {});
      return done;
    },
    open: () => new Share(budget),
  };
}

interface Budget {
  readonly size: number;
  taken: number;
}

/** A class: there is one for every request under way, and closures would be most of it. */
class Share implements BodyShare {
  private held = 0;
  private open = true;
  /** Weakly: of a body that was read into something else nothing is kept until then. */
  private bytes: WeakRef<Uint8Array<ArrayBuffer>> | null = null;

  constructor(private readonly budget: Budget) {}

  grow(bytes: number): boolean {
    const { size, taken } = this.budget;
    const limit = this.held + bytes <= SMALL_BODY ? size * (1 + SMALL_BODIES_SHARE) : size;
    if (!this.open || taken + bytes > limit) return false;
    this.held += bytes;
    this.budget.taken += bytes;
    return true;
  }

  holds(whole: Uint8Array<ArrayBuffer>): void {
    const before = this.bytes?.deref();
    if (before !== whole) free(before);
    this.bytes = new WeakRef(whole);
  }

  release(): void {
    this.open = false;
    this.budget.taken -= this.held;
    this.held = 0;
    if (this.bytes) free(this.bytes.deref());
    this.bytes = null;
  }
}

/**
 * Frees a large body now. The collector comes when it likes: with six of 32 MB at a time, twelve that nobody needed any
 * more still lay there (measured), and to have it come at once halts every stream for 10 to 40 ms.
 */
function free(bytes: Uint8Array<ArrayBuffer> | undefined): void {
  if (bytes && bytes.byteLength > SMALL_BODY) bytes.buffer.transfer(0);
}

/**
 * Share of the memory that bodies may take where nothing is set. One that waits costs its size (measured: 1.1 times),
 * while it is read, and parsed or sent, up to four times: half of the memory at the very worst.
 */
const MEMORY_SHARE = 1 / 8;

/** Bytes for all bodies: what was set, or an eighth of `memory`; never less than the largest single body. */
export function budgetSize(setMb: number | null, memory: number, maxBody: number): number {
  return Math.max(maxBody, setMb === null ? Math.floor(memory * MEMORY_SHARE) : Math.round(setMb * 1e6));
}
