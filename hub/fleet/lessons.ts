/** What requests have shown of a node: whether it is trusted, what is asked of it, how much it can take at a time. */
import type { Clock } from "../../shared/clock.ts";
import { ANY_MODEL, type ModelKey } from "../../shared/model_name.ts";
import * as ejection from "../policy/ejection.ts";
import { fitKey, isFitKeyOf } from "../policy/eligibility.ts";
import * as learnedSlots from "../policy/learned_slots.ts";
import { type Entry, NodeLost, type NodeRecord } from "./node_record.ts";
import type { Standing } from "./node_standing.ts";
import type { createServiceTimes } from "./service_times.ts";

export interface LessonsDeps {
  readonly get: (id: string) => Entry | undefined;
  readonly clock: Clock;
  readonly limits: ejection.EjectionLimits;
  readonly serviceTimes: ReturnType<typeof createServiceTimes>;
  readonly standing: Standing;
  /** A waiting request may find a place on `node` now. */
  readonly changed: (node: NodeRecord) => void;
  /** Told that a node and what it was doing are given up. */
  readonly onLost: (nodeId: string, reason: string) => void;
}

/** Milliseconds for which a model is not asked of a node that answered 404 for it. */
const DISBELIEF_MS = 60_000;
/** Milliseconds for which a model is not asked of a node whose memory it did not fit. */
const UNFIT_MS = 600_000;
/** What did not fit, remembered of each node at most. */
const MOST_UNFIT = 100;
/** Milliseconds a node that said it is busy is left alone, unless it said how long. */
const REST_MS = 1_000;

/** That part of the registry. */
export function createLessons({ get, clock, limits, serviceTimes, standing, changed, onLost }: LessonsDeps) {
  const { setTrust, setSlots, setOllama, setIntent, giveUpWork } = standing;
  return {
    /** A whole answer told how long it waited for a slot inside the node's Ollama. */
    waitedForSlot(id: string, answer: learnedSlots.SlotAnswer): void {
      const node = get(id);
      if (!node) return;
      const before = node.slots;
      setSlots(node, learnedSlots.afterAnswer(node.learned, answer, clock.now()));
      if (node.slots > before) changed(node);
    },

    /** The node served a request for `model` with these load options in `ms` milliseconds. */
    succeeded(id: string, ms: number, model: ModelKey = ANY_MODEL, loadOptions = ""): void {
      serviceTimes.took(model, ms);
      const node = get(id);
      if (!node) return;
      setTrust(node, ejection.afterSuccess(node.trust, clock.now()));
      // There is room for it again, unless it was sent before there was none.
      const key = fitKey(model, loadOptions);
      const unfitAt = (node.unfit.get(key) ?? Number.POSITIVE_INFINITY) - UNFIT_MS;
      if (clock.now() - ms < unfitAt) return;
      node.unfit.delete(key);
      changed(node);
    },

    /** The node failed in a way that counts against it; `request` is the hash of what it failed at, if that may be why. */
    failed(id: string, reason: string, request: string | null = null): void {
      const node = get(id);
      if (node) setTrust(node, ejection.afterFailure(node.trust, { reason, request }, clock.now(), limits));
    },

    /** The node lists the model but has not got it: its claim is not believed for a minute. */
    disbelieve(id: string, model: ModelKey): void {
      get(id)?.disbelieved.set(model, clock.now() + DISBELIEF_MS);
    },

    /** The model did not fit the node's memory with these load options. */
    unfit(id: string, model: ModelKey, loadOptions = ""): void {
      const unfit = get(id)?.unfit;
      if (!unfit) return;
      // The newest last: clients make up options.
      const key = fitKey(model, loadOptions);
      unfit.delete(key);
      unfit.set(key, clock.now() + UNFIT_MS);
      const [oldest] = unfit.keys();
      if (unfit.size > MOST_UNFIT && oldest !== undefined) unfit.delete(oldest);
    },

    /** The model was put there just now: what was believed of it before holds no more. */
    arrived(id: string, model: ModelKey): void {
      const node = get(id);
      node?.disbelieved.delete(model);
      for (const key of node?.unfit.keys() ?? []) if (isFitKeyOf(key, model)) node?.unfit.delete(key);
    },

    /** The node said it has no room: it is left alone for `ms` milliseconds. */
    rest(id: string, ms: number | null): void {
      const node = get(id);
      if (node) node.restingUntil = clock.now() + (ms ?? REST_MS);
    },

    /** The node handed a request back because its Ollama is away or it is stopping, before its heartbeat said so. */
    declined(id: string, reason: "draining" | "ollama_down"): void {
      const node = get(id);
      if (!node) return;
      if (reason === "draining") setIntent(node, "draining");
      else setOllama(node, false);
    },

    /** No probe on any address was answered for so long that the node's running requests are given up. */
    lose(id: string, reason: string): void {
      const node = get(id);
      if (!node) return;
      onLost(id, reason);
      setTrust(node, ejection.afterLoss(node.trust, reason, clock.now()));
      giveUpWork(node, new NodeLost(reason, false));
    },
  };
}
