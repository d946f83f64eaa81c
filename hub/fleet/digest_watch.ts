/** Says in the log when nodes have different models under the same name, and when they agree again. */
import type { Logger } from "../../shared/log.ts";
import { type ModelKey, modelKey } from "../../shared/model_name.ts";
import { type DigestConflict, digestConflicts } from "../policy/merge_lists.ts";
import { type Disk, tagsOf } from "./alike.ts";

/** What a node has on disk. */
export interface DiskOfNode extends Disk {
  readonly id: string;
}

/** A disagreement as a node of it is told: of thousands that have a version only a few are named. */
export interface ToldConflict {
  readonly model: string;
  /** The version most nodes have first. */
  readonly digests: readonly {
    readonly digest: string;
    readonly nodes: readonly string[];
    readonly node_count: number;
  }[];
}

export interface DigestWatch {
  /** Disagreements now, by model. */
  readonly conflicts: readonly DigestConflict[];
  /** Those about models of this node, which is among those named. */
  of(nodeId: string): readonly ToldConflict[];
  /** Looks at what the nodes have now. */
  look(nodes: readonly DiskOfNode[]): void;
}

/** Nodes named of each version: every one of ten thousand that differ would else be told ten thousand names. */
export const MOST_NAMED = 8;

/** A watch that has seen nothing yet. */
export function createDigestWatch(log: Logger): DigestWatch {
  let conflicts: readonly DigestConflict[] = [];
  let byNode = new Map<string, { readonly conflict: ToldConflict; readonly version: number }[]>();
  let told = new Map<string, string>();
  return {
    of: (nodeId) => (byNode.get(nodeId) ?? []).map(({ conflict, version }) => withNode(conflict, version, nodeId)),
    get conflicts() {
      return conflicts;
    },
    look(nodes) {
      const differing = differingModels(nodes);
      const isDiffering = ({ name }: { readonly name: string }) => differing.has(modelKey(name));
      conflicts = digestConflicts(nodes.map((node) => ({ nodeId: node.id, tags: tagsOf(node, isDiffering) })));
      byNode = new Map();
      for (const { model, digests } of conflicts) {
        const conflict = { model, digests: digests.map(shortened) };
        for (const [version, { nodes }] of digests.entries()) {
          for (const id of nodes) byNode.set(id, [...(byNode.get(id) ?? []), { conflict, version }]);
        }
      }
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
  return digests.map(({ digest, nodes }) => `${digest.slice(0, 12)} on ${namesOf(nodes)}`).join("; ");
}

function namesOf(nodes: readonly string[]): string {
  const more = nodes.length - MOST_NAMED;
  return more > 0 ? `${nodes.slice(0, MOST_NAMED).join(", ")} and ${more} more` : nodes.join(", ");
}

function shortened({ digest, nodes }: DigestConflict["digests"][number]): ToldConflict["digests"][number] {
  return { digest, nodes: nodes.slice(0, MOST_NAMED), node_count: nodes.length };
}

/** `conflict` with `nodeId` among those that are named of its version. */
function withNode(conflict: ToldConflict, version: number, nodeId: string): ToldConflict {
  const own = conflict.digests[version];
  if (!own || own.nodes.includes(nodeId)) return conflict;
  const nodes = [...own.nodes.slice(0, -1), nodeId];
  return { ...conflict, digests: conflict.digests.with(version, { ...own, nodes }) };
}
