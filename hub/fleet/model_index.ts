/** Which nodes have a model, so that a request need not look at those that have not. */
import type { ModelKey } from "../../shared/model_name.ts";
import type { Entry } from "./node_record.ts";

/** The nodes that have one model, and the same as a list while none comes or goes. */
interface Holders {
  readonly nodes: Set<Entry>;
  list: readonly Entry[] | null;
}

const NOBODY: readonly Entry[] = [];
const NO_MODELS: ReadonlySet<ModelKey> = new Set();

/** No nodes yet. */
export function createModelIndex() {
  const byModel = new Map<ModelKey, Holders>();
  const indexed = new Map<Entry, ReadonlySet<ModelKey>>();

  function add(model: ModelKey, node: Entry): void {
    const holders = byModel.get(model) ?? { nodes: new Set(), list: null };
    byModel.set(model, holders);
    holders.nodes.add(node);
    holders.list = null;
  }

  function remove(model: ModelKey, node: Entry): void {
    const holders = byModel.get(model);
    if (!holders?.nodes.delete(node)) return;
    holders.list = null;
    if (holders.nodes.size === 0) byModel.delete(model);
  }

  function move(node: Entry, before: ReadonlySet<ModelKey>, now: ReadonlySet<ModelKey>): void {
    for (const model of before) if (!now.has(model)) remove(model, node);
    for (const model of now) if (!before.has(model)) add(model, node);
  }

  return {
    /** Those that have `model`, which is not ANY_MODEL. */
    having(model: ModelKey): readonly Entry[] {
      const holders = byModel.get(model);
      if (!holders) return NOBODY;
      holders.list ??= Array.from(holders.nodes);
      return holders.list;
    },

    /** `node` is there, with the models that it says now. False when they are those that it said before. */
    set(node: Entry): boolean {
      const before = indexed.get(node);
      if (before === node.models) return false;
      indexed.set(node, node.models);
      move(node, before ?? NO_MODELS, node.models);
      return true;
    },

    /** `node` is gone. */
    delete(node: Entry): void {
      move(node, indexed.get(node) ?? NO_MODELS, NO_MODELS);
      indexed.delete(node);
    },
  };
}
