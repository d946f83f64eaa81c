/** What a node says about its models, taken into its record. */
import { modelKey } from "../../shared/model_name.ts";
import type { DiskModel, LoadedModel } from "../../shared/ollama_models.ts";
import { alikeTags, namesIn, onDiskOf } from "./alike.ts";
import type { Entry } from "./node_record.ts";

/** What a node says about its models; absent parts are kept as they were told last. */
export interface Inventory {
  readonly names: readonly string[];
  readonly loaded?: readonly string[] | null | undefined;
  readonly tags?: readonly DiskModel[] | null | undefined;
  readonly ps?: readonly LoadedModel[] | null | undefined;
}

/**
 * Replaces what is known of the models of `node`, where it is not what was known: what follows from it is remembered
 * elsewhere by these very objects. True when it has other manifests than before.
 */
export function takeInventory(node: Entry, { names, loaded, tags, ps }: Inventory): boolean {
  const before = node.digests;
  if (!isSame(names, node.modelNames)) {
    const told = namesIn(names);
    node.modelNames = told.names;
    node.models = told.keys;
    // A claim that was dropped and comes again is a new one: the model was pulled.
    for (const key of node.disbelieved.keys()) if (!node.models.has(key)) node.disbelieved.delete(key);
  }
  if (loaded) {
    node.knowsLoaded = true;
    node.loadedNames = loaded;
    const keys = new Set(loaded.map(modelKey));
    if (keys.symmetricDifference(node.loaded).size > 0) node.loaded = keys;
  }
  if (ps && !Bun.deepEquals(ps, node.ps)) node.ps = ps;
  if (!tags || Bun.deepEquals(tags, node.tags)) return false;
  node.tags = alikeTags(tags);
  const { remote, sizes, digests } = onDiskOf(node.tags);
  node.remote = remote;
  node.sizes = sizes;
  node.digests = digests;
  return (
    node.digests.size !== before.size || !node.digests.entries().every(([key, digest]) => before.get(key) === digest)
  );
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, index) => name === other[index]);
}
