/** Which nodes have a model, and which of them have it in memory, so that a request need not look at the others. */
import { ANY_MODEL, type ModelKey } from "../../shared/model_name.ts";
import type { Entry } from "./node_record.ts";

/** What was noted of a node. */
interface Noted {
  readonly models: ReadonlySet<ModelKey>;
  warm: ReadonlySet<ModelKey>;
}

/**
 * Nodes by model, in the order in which they came. Lists and not sets: two hundred thousand entries of ten thousand nodes
 * take a seventh of the memory, a look goes through them faster, and a node leaves one seldom.
 */
type Lists = Map<ModelKey, Entry[]>;

const NOBODY: readonly Entry[] = [];
const NO_MODELS: ReadonlySet<ModelKey> = new Set();

/** No nodes yet. */
export function createModelIndex() {
  const holders: Lists = new Map();
  const warm: Lists = new Map();
  const indexed = new Map<Entry, Noted>();

  function setWarm(node: Entry, noted: Noted, now: ReadonlySet<ModelKey>): void {
    const before = noted.warm;
    if (now === before) return;
    noted.warm = now;
    for (const model of before) if (!now.has(model)) remove(warm, model, node);
    for (const model of now) if (!before.has(model)) add(warm, model, node);
  }

  return {
    /** Those that have `model`; all of them for ANY_MODEL. The list is the one that is kept: good until the next await. */
    having: (model: ModelKey): readonly Entry[] => holders.get(model) ?? NOBODY,

    /** Those of them that have it in memory or on its way there, or are not known not to. */
    warm: (model: ModelKey): readonly Entry[] => warm.get(model) ?? NOBODY,

    has: (node: Entry): boolean => indexed.has(node),

    /** `node` is there, with the models that it says now. False when they are those that it said before. */
    set(node: Entry): boolean {
      const before = indexed.get(node);
      if (before?.models === node.models) return false;
      if (!before) add(holders, ANY_MODEL, node);
      const known = before?.models ?? NO_MODELS;
      for (const model of known) if (!node.models.has(model)) remove(holders, model, node);
      for (const model of node.models) if (!known.has(model)) add(holders, model, node);
      indexed.set(node, { models: node.models, warm: before?.warm ?? NO_MODELS });
      return true;
    },

    /** What `node` has in memory may be something else than before. */
    noteWarm(node: Entry): void {
      const noted = indexed.get(node);
      if (noted) setWarm(node, noted, warmOf(node));
    },

    /** `node` is gone. */
    delete(node: Entry): void {
      const noted = indexed.get(node);
      if (!noted) return;
      setWarm(node, noted, NO_MODELS);
      for (const model of noted.models) remove(holders, model, node);
      remove(holders, ANY_MODEL, node);
      indexed.delete(node);
    },
  };
}

/** Of the models of `node` those for which it needs no load, or has begun it, as far as is known. */
function warmOf({ models, knowsLoaded, loaded, loadingSince, remote }: Entry): ReadonlySet<ModelKey> {
  if (!knowsLoaded) return models;
  // Mostly the very set of the last time, which many nodes share.
  if (loadingSince.size + remote.size === 0 && loaded.isSubsetOf(models)) return loaded;
  const found = new Set<ModelKey>();
  for (const some of [loaded, loadingSince.keys(), remote]) {
    for (const model of some) if (models.has(model)) found.add(model);
  }
  return found;
}

function add(lists: Lists, model: ModelKey, node: Entry): void {
  const list = lists.get(model);
  if (list) list.push(node);
  else lists.set(model, [node]);
}

/** Whoever leaves first came first, mostly: it is found at once. */
function remove(lists: Lists, model: ModelKey, node: Entry): void {
  const list = lists.get(model);
  const at = list?.indexOf(node) ?? -1;
  if (!list || at === -1) return;
  list.splice(at, 1);
  if (list.length === 0) lists.delete(model);
}
