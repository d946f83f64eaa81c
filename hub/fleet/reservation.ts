/** A slot of a node taken for one request, and what it tells about models on their way into memory. */
import type { Clock } from "../../shared/clock.ts";
import { ANY_MODEL, type ModelKey } from "../../shared/model_name.ts";
import { afterFirstToken, afterLoad, afterNoToken, isLoadedWith } from "../policy/pace.ts";
import type { Entry } from "./node_record.ts";

/** A slot taken for one request. Given back exactly once, however often `release` is called. */
export interface Reservation {
  /** Requests of this hub that held a slot there once this one was taken, itself included; 0 where it takes none. */
  readonly atNode: number;
  /**
   * The first byte of an answer is here, so the model is in the node's memory. It came `firstByteMs` after the request
   * was sent; null for an answer that was not to be streamed, whose first byte tells neither of a first token nor of a load.
   * One without a token, such as that to an empty prompt, tells of its load only.
   */
  answered(firstByteMs?: number | null, hasToken?: boolean): void;
  /** It was given up `ms` after it was sent, without an answer: its first token would have taken more than `leastMs`. */
  unanswered(ms: number, leastMs?: number): void;
  release(): void;
}

/** For a request that takes no slot. */
export const NO_RESERVATION: Reservation = { atNode: 0, answered() {}, unanswered() {}, release() {} };

/** Who takes a slot, and for what. */
export interface SlotRequest {
  readonly model: ModelKey;
  readonly id: string;
  /** Its options that a load depends on. */
  readonly loadOptions?: string;
}

export interface SlotDeps {
  readonly clock: Clock;
  /** Milliseconds to the first token of a model on the fastest node; null where that is not known. */
  readonly usualMs: (model: ModelKey) => number | null;
  /** Called when there is room, or a load has ended. */
  readonly onChange: () => void;
}

/** Takes a slot of `node`. */
export function takeSlot(
  node: Entry,
  { model, id, loadOptions = "" }: SlotRequest,
  { clock, usualMs, onChange }: SlotDeps,
): Reservation {
  const atNode = ++node.reserved;
  let held = true;
  const alone = node.reserved === 1 && node.loadingSince.size === 0;
  let starting = node.knowsLoaded && model !== ANY_MODEL && !node.loaded.has(model) && !node.remote.has(model);
  if (starting) {
    count(node, model, 1);
    if (!node.loaders.has(model)) node.loaders.set(model, id);
    noteLoads(node, clock.now());
  }
  const reloads = node.loaded.has(model) && !isLoadedWith(node.pace, model, loadOptions);
  // What it waits for is a load: taken for the node's pace, it would keep the requests that need none away for minutes.
  const waitsForLoad = starting || reloads || node.reloading.has(model);
  if (reloads) node.reloading.set(model, id);

  function endReload(): void {
    if (node.reloading.get(model) === id) node.reloading.delete(model);
  }

  function endStart(): boolean {
    if (!starting) return false;
    starting = false;
    count(node, model, -1);
    if (node.loaders.get(model) === id) node.loaders.delete(model);
    noteLoads(node, clock.now());
    return true;
  }

  return {
    atNode,
    answered(firstByteMs = null, hasToken = true) {
      if (firstByteMs !== null && held && model !== ANY_MODEL) {
        if (starting && alone) node.pace = afterLoad(node.pace, node.sizes.get(model) ?? 0, firstByteMs);
        if (!waitsForLoad && hasToken) node.pace = afterFirstToken(node.pace, model, firstByteMs, atNode, clock.now());
      }
      endReload();
      if (!endStart()) return;
      // An answer came out of it: it is in memory, whatever the last list said.
      node.loaded = new Set(node.loaded).add(model);
      onChange();
    },
    unanswered(ms, leastMs = ms) {
      const usual = held && !waitsForLoad ? usualMs(model) : null;
      if (usual !== null) node.pace = afterNoToken(node.pace, { model, ms, leastMs, atNode, usual }, clock.now());
    },
    release() {
      if (!held) return;
      held = false;
      endReload();
      endStart();
      node.reserved--;
      onChange();
    },
  };
}

/** Keeps `loadingSince` to what is on its way into memory at monotonic `now`. */
export function noteLoads(node: Entry, now: number): void {
  const { starting, loading, loadingSince } = node;
  for (const model of loadingSince.keys()) if (!starting.has(model) && !loading.has(model)) loadingSince.delete(model);
  for (const models of [starting.keys(), loading]) {
    for (const model of models) if (!loadingSince.has(model)) loadingSince.set(model, now);
  }
}

function count(node: Entry, model: ModelKey, change: 1 | -1): void {
  const requests = (node.starting.get(model) ?? 0) + change;
  if (requests > 0) node.starting.set(model, requests);
  else node.starting.delete(model);
}
