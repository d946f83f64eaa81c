/** What a look at very many nodes begins with, kept while nodes come, go and change: see hub/policy/crowd.ts. */
import { ANY_MODEL, type ModelKey } from "../../shared/model_name.ts";
import type { Crowd } from "../policy/crowd.ts";
import { createLoadOrder } from "./load_order.ts";
import { createModelIndex } from "./model_index.ts";
import type { Entry } from "./node_record.ts";

/** No nodes yet; `named` finds one by its name. */
export function createCrowds(named: (id: string) => Entry | undefined) {
  const index = createModelIndex();
  const free = new Set<Entry>();
  /** Kept from the first time that it is asked for: few hubs ever do. */
  let order: ReturnType<typeof createLoadOrder<Entry>> | null = null;

  function leastBusy(): Iterable<Entry> {
    if (order === null) {
      order = createLoadOrder();
      for (const node of index.having(ANY_MODEL)) order.note(node);
    }
    return order.inOrder();
  }

  return {
    having: index.having,

    /** `node` is there, with the models that it says now. False when they are those that it said before. */
    set: index.set,

    /** What is at work on `node`, what it could do at once, its CPU, its failures or its memory may be different. */
    note(node: Entry): void {
      // A request may end at a node that was forgotten.
      if (!index.has(node)) return;
      if (node.reserved < node.slots) free.add(node);
      else free.delete(node);
      index.noteWarm(node);
      order?.note(node);
    },

    /** `node` is gone. */
    delete(node: Entry): void {
      index.delete(node);
      free.delete(node);
      order?.delete(node);
    },

    /** Those that have `model`, at the `turn`th time that one is looked for. */
    of: (model: ModelKey, turn: number): Crowd<Entry> => ({
      holders: index.having(model),
      warm: index.warm(model),
      free,
      leastBusy,
      named,
      turn,
    }),
  };
}
