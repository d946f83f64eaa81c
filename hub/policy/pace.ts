/** How fast a node is, as measured by the hub's own requests: what its first tokens took, what its loads took. */
import type { ModelKey } from "../../shared/model_name.ts";

/** A mean of what was seen, in which the newest count most once there were many. */
export interface Average {
  readonly value: number;
  readonly count: number;
}

/** One of which less is believed the longer ago the newest was seen: a machine that was slow once may not be so any more. */
export interface Aging extends Average {
  /** Monotonic ms of the newest. */
  readonly at: number;
}

/** What was measured of a node. */
export interface Pace {
  /** Milliseconds from sending a request to its first token, by model: in memory, and as if nothing else was at work. */
  readonly firstToken: ReadonlyMap<ModelKey, Aging>;
  /** Bytes a millisecond at which models came into memory; null before the first load. */
  readonly load: Average | null;
  /** Fewest bytes of models on disk of which, in memory together, one had to leave; infinite before that was seen. */
  readonly overflow: number;
  /** Options that a load depends on, such as the context size, of each model's latest request. */
  readonly loadOptions: ReadonlyMap<ModelKey, string>;
  /** Monotonic ms of each model's latest request. */
  readonly usedAt: ReadonlyMap<ModelKey, number>;
}

/** Of a node that has done nothing yet. */
export const UNKNOWN_PACE: Pace = {
  firstToken: new Map(),
  load: null,
  overflow: Number.POSITIVE_INFINITY,
  loadOptions: new Map(),
  usedAt: new Map(),
};

/** Answers after which each new one counts for so many parts of the mean. Long prompts and short ones even out. */
const REMEMBERED_TOKENS = 32;
const REMEMBERED_LOADS = 10;
/**
 * Milliseconds after which half of what was measured is believed, for each of the answers it was measured by, up to so
 * many: a node that is held for slow gets no work by which it could show that it is not.
 */
const HALF_LIFE_MS = 120_000;
const HALF_LIVES = 2;
/** Milliseconds below which a model was in memory after all, as in learned_slots.ts. */
const LEAST_LOAD_MS = 1_000;
/** Bytes below which what a load takes is mostly not the disk: a runner is started, the prompt is read. */
const LEAST_LOAD_BYTES = 2e9;
/** Less than Ollama's usual keep-alive of five minutes: a model that was used since then left to make room. */
const KEPT_MS = 240_000;
/** Bytes of a model whose size no list tells. */
const UNKNOWN_SIZE = 5e9;

/** After a first token at `now`, `ms` after its request was sent, one of `atNode` there, to a model in memory. */
export function afterFirstToken(pace: Pace, model: ModelKey, ms: number, atNode: number, now: number): Pace {
  const before = pace.firstToken.get(model) ?? null;
  const believed = before && { value: before.value, count: before.count * partLeft(before, now) };
  const average = blend(believed, ms / Math.max(1, atNode), REMEMBERED_TOKENS);
  return { ...pace, firstToken: new Map(pace.firstToken).set(model, { ...average, at: now }) };
}

/**
 * Times what was believed, up to which a request that was given up is believed: that it took long may have been a load, or
 * somebody else's work, and a machine that really is slow is found out by the next one.
 */
const MOST_BEYOND_BELIEF = 8;

/** A request that was given up before its first token. */
export interface NoToken {
  readonly model: ModelKey;
  /** Milliseconds after it was sent. */
  readonly ms: number;
  /** Milliseconds that its first token would have taken at least. */
  readonly leastMs: number;
  readonly atNode: number;
  /** Milliseconds to the first token on the fastest node. */
  readonly usual: number;
}

/**
 * After a request was given up at `now`: its first token would have taken longer still, which is news where less was
 * measured. A machine of which clients never wait for a token would else be held for as fast as the fastest, for ever.
 */
export function afterNoToken(pace: Pace, { model, ms, leastMs, atNode, usual }: NoToken, now: number): Pace {
  // Others had theirs meanwhile: it is this request that takes long, or waits for something else.
  if ((pace.firstToken.get(model)?.at ?? Number.NEGATIVE_INFINITY) >= now - ms) return pace;
  const believed = firstTokenAlone(pace, model, usual, now);
  const least = Math.min(leastMs / Math.max(1, atNode), believed * MOST_BEYOND_BELIEF);
  return least > believed ? afterFirstToken(pace, model, least, 1, now) : pace;
}

/** Milliseconds to a first token of `model` on the node alone, where `usual` is that of the fastest node. */
export function firstTokenAlone({ firstToken }: Pace, model: ModelKey, usual: number, now: number): number {
  const seen = firstToken.get(model);
  // What was measured since `usual` was counts with the next look over all nodes.
  if (!seen || !(seen.value > usual)) return usual;
  return usual + (seen.value - usual) * partLeft(seen, now);
}

function partLeft({ count, at }: Aging, now: number): number {
  return 0.5 ** (Math.max(0, now - at) / (HALF_LIFE_MS * Math.min(count, HALF_LIVES)));
}

/**
 * After a first token `ms` after its request was sent, for which a model of `bytes` was loaded and nothing else done; 0 where
 * no list tells how many.
 */
export function afterLoad(pace: Pace, bytes: number, ms: number): Pace {
  const speed = bytes / ms;
  const isTold = bytes >= LEAST_LOAD_BYTES && ms >= LEAST_LOAD_MS && speed > 0 && speed < Number.POSITIVE_INFINITY;
  if (!isTold) return pace;
  return { ...pace, load: blend(pace.load, speed, REMEMBERED_LOADS) };
}

/** After a request for `model` with these load options was sent at monotonic `now`. */
export function afterUse(pace: Pace, model: ModelKey, loadOptions: string, now: number): Pace {
  return {
    ...pace,
    loadOptions: new Map(pace.loadOptions).set(model, loadOptions),
    usedAt: new Map(pace.usedAt).set(model, now),
  };
}

/** False when `model`, which is in memory, was loaded with other options: a request with these has it loaded anew. */
export function isLoadedWith(pace: Pick<Pace, "loadOptions">, model: ModelKey, loadOptions: string): boolean {
  return (pace.loadOptions.get(model) ?? loadOptions) === loadOptions;
}

/** What a node had in memory by its report before, and besides by answers since; what it has now, and is loading. */
export interface MemoryReport {
  readonly reported: ReadonlySet<ModelKey>;
  readonly before: ReadonlySet<ModelKey>;
  readonly loaded: ReadonlySet<ModelKey>;
  readonly loading: Iterable<ModelKey>;
  readonly sizes: ReadonlyMap<ModelKey, number>;
}

/** After a report of what is in memory at monotonic `now`: what stays there together fits, what left early did not. */
export function afterReport(pace: Pace, { reported, before, loaded, loading, sizes }: MemoryReport, now: number): Pace {
  const kept = bytesOf(loaded, sizes);
  const overflow = pace.overflow <= kept ? Number.POSITIVE_INFINITY : pace.overflow;
  const together = new Set([...before, ...loaded, ...loading]);
  const replaced = together.size > reported.size;
  const early = (model: ModelKey) => !loaded.has(model) && now - (pace.usedAt.get(model) ?? -KEPT_MS) < KEPT_MS;
  if (!replaced || !Array.from(before).some(early)) return overflow === pace.overflow ? pace : { ...pace, overflow };
  return { ...pace, overflow: Math.min(overflow, bytesOf(together, sizes)) };
}

/** Without what was measured of models that the node has no more. */
export function onlyOf(pace: Pace, models: ReadonlySet<ModelKey>): Pace {
  const only = <Value>(all: ReadonlyMap<ModelKey, Value>) => new Map([...all].filter(([model]) => models.has(model)));
  const { firstToken, loadOptions, usedAt } = pace;
  return { ...pace, firstToken: only(firstToken), loadOptions: only(loadOptions), usedAt: only(usedAt) };
}

/** Bytes on disk of `models`, together. */
export function bytesOf(models: Iterable<ModelKey>, sizes: ReadonlyMap<ModelKey, number>): number {
  let sum = 0;
  for (const model of models) sum += sizeOf(model, sizes);
  return sum;
}

/** Bytes on disk of `model`. What a list gives as nothing at all is no size either. */
export function sizeOf(model: ModelKey, sizes: ReadonlyMap<ModelKey, number>): number {
  const bytes = sizes.get(model) ?? 0;
  return bytes > 0 ? bytes : UNKNOWN_SIZE;
}

function blend(average: Average | null, value: number, remembered: number): Average {
  const count = Math.min(remembered, (average?.count ?? 0) + 1);
  const before = average?.value ?? value;
  return { value: before + (value - before) / count, count };
}
