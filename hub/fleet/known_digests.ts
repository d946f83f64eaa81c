/** Which manifests nodes have under a model's name, remembered while no node's list changes. */
import { type ModelKey, modelKey } from "../../shared/model_name.ts";
import { mainDigest } from "../policy/merge_lists.ts";
import { tagsOf } from "./alike.ts";
import type { NodeRecord } from "./node_record.ts";

/** Manifests under one name. */
interface KnownDigests {
  readonly all: ReadonlySet<string>;
  /** The one that most nodes have, where they differ. */
  readonly main: string | null;
}

/** Models remembered at most. */
const REMEMBERED_MODELS = 1_000;

/** Nothing looked at yet; `having` gives the nodes that have a model. */
export function createKnownDigests(having: (model: ModelKey) => readonly NodeRecord[]) {
  const known = new Map<ModelKey, KnownDigests>();

  function look(model: ModelKey): KnownDigests {
    const nodes = having(model);
    const all = new Set<string>();
    for (const { digests } of nodes) {
      const digest = digests.get(model);
      if (digest !== undefined) all.add(digest);
    }
    if (all.size < 2) return { all, main: null };
    return {
      all,
      main: mainDigest(
        nodes.map((node) => ({ nodeId: node.id, tags: tagsOf(node, ({ name }) => modelKey(name) === model) })),
        model,
      ),
    };
  }

  return {
    of(model: ModelKey): KnownDigests {
      const last = known.get(model);
      if (last) return last;
      if (known.size >= REMEMBERED_MODELS) known.clear();
      const found = look(model);
      known.set(model, found);
      return found;
    },

    /** A node came, went, or has other models on disk than before. */
    forget: (): void => known.clear(),
  };
}
