/** What a node says about its models, taken into its record. */
import type { DiskModel, LoadedModel } from "../../shared/ollama_models.ts";
import { alikeTags, isSameDisk, namesIn } from "./alike.ts";
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
 * elsewhere by these very objects. True when its list of models on disk is another one: also when a manifest was pulled is
 * news, since the newest one decides where as many nodes have each.
 */
export function takeInventory(node: Entry, { names, loaded, tags, ps }: Inventory): boolean {
  if (!isSame(names, node.modelNames)) {
    const told = namesIn(names);
    node.modelNames = told.names;
    node.models = told.keys;
    // A claim that was dropped and comes again is a new one: the model was pulled.
    for (const key of node.disbelieved.keys()) if (!node.models.has(key)) node.disbelieved.delete(key);
  }
  if (loaded) {
    node.knowsLoaded = true;
    const told = namesIn(loaded);
    node.loadedNames = told.names;
    if (told.keys.symmetricDifference(node.loaded).size > 0) node.loaded = told.keys;
  }
  if (ps && !Bun.deepEquals(ps, node.ps)) node.ps = ps;
  if (!tags || isSameDisk(tags, node)) return false;
  const { disk, modifiedAt, remote, sizes, digests } = alikeTags(tags);
  node.disk = disk;
  node.modifiedAt = modifiedAt;
  node.remote = remote;
  node.sizes = sizes;
  node.digests = digests;
  return true;
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, index) => name === other[index]);
}
