/** A slot of a node taken for one request, and what it tells about models on their way into memory. */
import type { Clock } from "../../shared/clock.ts";
import { ANY_MODEL, type ModelKey } from "../../shared/model_name.ts";
import { afterFirstToken, afterLoad } from "../policy/pace.ts";
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
  release(): void;
}

/** For a request that takes no slot. */
export const NO_RESERVATION: Reservation = { atNode: 0, answered() {}, release() {} };

/** Takes a slot of `node` for request `id`, which is for `model`; `onChange` is called when that makes room or ends a load. */
export function takeSlot(node: Entry, model: ModelKey, id: string, clock: Clock, onChange: () => void): Reservation {
  return new Slot(node, model, id, clock, onChange);
}

class Slot implements Reservation {
  readonly atNode: number;
  private held = true;
  private readonly alone: boolean;
  private starting: boolean;

  constructor(
    private readonly node: Entry,
    private readonly model: ModelKey,
    private readonly id: string,
    private readonly clock: Clock,
    private readonly onChange: () => void,
  ) {
    this.atNode = ++node.reserved;
    this.alone = node.reserved === 1 && node.loadingSince.size === 0;
    this.starting = node.knowsLoaded && model !== ANY_MODEL && !node.loaded.has(model) && !node.remote.has(model);
    if (this.starting) {
      count(node, model, 1);
      if (!node.loaders.has(model)) node.loaders.set(model, id);
      noteLoads(node, clock.now());
    }
  }

  answered(firstByteMs: number | null = null, hasToken = true): void {
    const { node, model, atNode, starting } = this;
    if (firstByteMs !== null && this.held && model !== ANY_MODEL) {
      if (starting && this.alone) node.pace = afterLoad(node.pace, node.sizes.get(model) ?? 0, firstByteMs);
      if (!starting && hasToken) node.pace = afterFirstToken(node.pace, model, firstByteMs, atNode, this.clock.now());
    }
    if (!this.endStart()) return;
    // An answer came out of it: it is in memory, whatever the last list said.
    node.loaded = new Set(node.loaded).add(model);
    this.onChange();
  }

  release(): void {
    if (!this.held) return;
    this.held = false;
    this.endStart();
    this.node.reserved--;
    this.onChange();
  }

  private endStart(): boolean {
    if (!this.starting) return false;
    this.starting = false;
    const { node, model } = this;
    count(node, model, -1);
    if (node.loaders.get(model) === this.id) node.loaders.delete(model);
    noteLoads(node, this.clock.now());
    return true;
  }
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
