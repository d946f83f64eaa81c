/** One hour of one thing, the fleet or a node, in steps of ten seconds: numbers only, in arrays that never grow. */

/** Milliseconds of one step. */
export const STEP_MS = 10_000;
/** Whole steps that are kept: an hour. */
export const STEPS = 360;
/** Kept whole steps, and the one that is still open. */
const SLOTS = STEPS + 1;
/** First-token times that one step is judged by; of more a fair sample. */
const SAMPLES = 256;

/** What one step comes to. */
export interface Point {
  /** Requests that ended; of a node, attempts there. */
  readonly requests: number;
  readonly errors: number;
  /** Completion tokens. */
  readonly tokens: number;
  /** Milliseconds to the first byte of streamed answers; null where none began. */
  readonly first_token_p50_ms: number | null;
  readonly first_token_p95_ms: number | null;
  /** The most at the same time. */
  readonly active: number;
  /** The same of requests in the waiting room; null for a node. */
  readonly waiting: number | null;
}

/** Many steps, oldest first. */
export type SeriesJson = { readonly [Field in keyof Point]: readonly Point[Field][] };

export type Series = ReturnType<typeof createSeries>;

/**
 * A series in which nothing has happened. `step` numbers in its calls are of `open`'s count; what lies further back than
 * the hour is dropped. `random` gives numbers from 0 up to 1.
 */
export function createSeries(random: () => number, firstStep: number, waits: boolean) {
  const requests = new Uint32Array(SLOTS);
  const errors = new Uint32Array(SLOTS);
  // A node may claim any number.
  const tokens = new Float64Array(SLOTS);
  const active = new Uint32Array(SLOTS);
  const waiting = new Uint32Array(SLOTS);
  const p50 = new Float32Array(SLOTS).fill(Number.NaN);
  const p95 = new Float32Array(SLOTS).fill(Number.NaN);
  /** Made for the first streamed answer: most nodes of a large fleet have none. */
  let samples: Float32Array | null = null;
  let seen = 0;
  let open = firstStep;
  let lastWork = firstStep;

  const slotOf = (step: number) => step % SLOTS;
  const orNull = (value: number | undefined) =>
    value === undefined || Number.isNaN(value) ? null : Math.round(value * 10) / 10;

  function pointAt(step: number): Point {
    const slot = slotOf(step);
    return {
      requests: requests[slot] ?? 0,
      errors: errors[slot] ?? 0,
      // An estimate may be taken back from a series that was begun after it was made.
      tokens: Math.max(0, tokens[slot] ?? 0),
      first_token_p50_ms: orNull(p50[slot]),
      first_token_p95_ms: orNull(p95[slot]),
      active: active[slot] ?? 0,
      waiting: waits ? (waiting[slot] ?? 0) : null,
    };
  }

  return {
    /** The last step in which there was anything. */
    get lastWork() {
      return lastWork;
    },

    ended(failed: boolean): void {
      const slot = slotOf(open);
      requests[slot] = (requests[slot] ?? 0) + 1;
      if (failed) errors[slot] = (errors[slot] ?? 0) + 1;
      lastWork = open;
    },

    /** Adds `count`, which may be negative, to the tokens of `step`. */
    generated(step: number, count: number): void {
      if (step < open - STEPS || step > open) return;
      const slot = slotOf(step);
      tokens[slot] = (tokens[slot] ?? 0) + count;
      lastWork = open;
    },

    /** A streamed answer began `ms` milliseconds after its request came. */
    firstToken(ms: number): void {
      samples ??= new Float32Array(SAMPLES);
      const place = seen < SAMPLES ? seen : Math.floor(random() * (seen + 1));
      if (place < SAMPLES) samples[place] = ms;
      seen++;
      lastWork = open;
    },

    /** So many are active and wait at this moment. */
    saw(nowActive: number, nowWaiting: number): void {
      const slot = slotOf(open);
      active[slot] = Math.max(active[slot] ?? 0, nowActive);
      waiting[slot] = Math.max(waiting[slot] ?? 0, nowWaiting);
      if (nowActive + nowWaiting > 0) lastWork = open;
    },

    /** Ends the open step and opens the next one. Returns what it came to. */
    close(): Point {
      const sorted = samples?.subarray(0, Math.min(seen, SAMPLES)).sort() ?? new Float32Array();
      p50[slotOf(open)] = percentile(sorted, 0.5);
      p95[slotOf(open)] = percentile(sorted, 0.95);
      seen = 0;
      const point = pointAt(open);
      open++;
      const slot = slotOf(open);
      for (const values of [requests, errors, tokens, active, waiting]) values[slot] = 0;
      for (const values of [p50, p95]) values[slot] = Number.NaN;
      return point;
    },

    /** The last `count` whole steps. */
    newest(count: number): SeriesJson {
      const points = Array.from({ length: count }, (_, index) => pointAt(open - count + index));
      return {
        requests: points.map((point) => point.requests),
        errors: points.map((point) => point.errors),
        tokens: points.map((point) => point.tokens),
        first_token_p50_ms: points.map((point) => point.first_token_p50_ms),
        first_token_p95_ms: points.map((point) => point.first_token_p95_ms),
        active: points.map((point) => point.active),
        waiting: points.map((point) => point.waiting),
      };
    },
  };
}

/** The value that `share` of `sorted` do not exceed; NaN where there is none. */
function percentile(sorted: Float32Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
