/** Says in the log when nodes have different models under the same name, and when they agree again. */
import type { Logger } from "../../shared/log.ts";
import { type ModelKey, modelKey } from "../../shared/model_name.ts";
import { type DigestConflict, digestConflicts } from "../policy/merge_lists.ts";
import { type Disk, tagsOf } from "./alike.ts";

/** What a node has on disk. */
export interface DiskOfNode extends Disk {
  readonly id: string;
}

export interface DigestWatch {
  /** Disagreements now, by model. */
  readonly conflicts: readonly DigestConflict[];
  /** Looks at what the nodes have now. */
  look(nodes: readonly DiskOfNode[]): void;
}

/** A watch that has seen nothing yet. */
export function createDigestWatch(log: Logger): DigestWatch {
  let conflicts: readonly DigestConflict[] = [];
  let told = new Map<string, string>();
  return {
    get conflicts() {
      return conflicts;
    },
    look(nodes) {
      const differing = differingModels(nodes);
      const isDiffering = ({ name }: { readonly name: string }) => differing.has(modelKey(name));
      conflicts = digestConflicts(nodes.map((node) => ({ nodeId: node.id, tags: tagsOf(node, isDiffering) })));
      const now = new Map(conflicts.map((conflict) => [conflict.model, describe(conflict)]));
      for (const [model, words] of now) {
        if (told.get(model) === words) continue;
        log.warn(
          { model },
          `nodes have different models named ${model}: ${words}; pull it again on all of them (X-Node-Id: *)`,
        );
      }
      for (const model of told.keys()) if (!now.has(model)) log.info({ model }, `only one version of ${model} is left`);
      told = now;
    },
  };
}

/** Models of which there are several versions: mostly none, and only these need a closer look at ten thousand nodes. */
function differingModels(nodes: readonly DiskOfNode[]): ReadonlySet<ModelKey> {
  const digests = new Map<ModelKey, string>();
  const differing = new Set<ModelKey>();
  for (const { disk } of nodes) {
    for (const { name, digest } of disk) {
      const key = modelKey(name);
      const known = digests.get(key);
      if (known === undefined) digests.set(key, digest);
      else if (known !== digest) differing.add(key);
    }
  }
  return differing;
}

/** `a80c4f17acd5 on a, b; 3f8eb4da87fa on c`, with digests as `ollama list` shows them. */
function describe({ digests }: DigestConflict): string {
  return digests.map(({ digest, nodes }) => `${digest.slice(0, 12)} on ${nodes.join(", ")}`).join("; ");
}
