/** Says in the log when nodes have different models under the same name, and when they agree again. */
import type { Logger } from "../../shared/log.ts";
import { type DigestConflict, digestConflicts, type NodeTags } from "../policy/merge_lists.ts";

export interface DigestWatch {
  /** Disagreements now, by model. */
  readonly conflicts: readonly DigestConflict[];
  /** Looks at what the nodes have now. */
  look(lists: readonly NodeTags[]): void;
}

/** A watch that has seen nothing yet. */
export function createDigestWatch(log: Logger): DigestWatch {
  let conflicts: readonly DigestConflict[] = [];
  let told = new Map<string, string>();
  return {
    get conflicts() {
      return conflicts;
    },
    look(lists) {
      conflicts = digestConflicts(lists);
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

/** `a80c4f17acd5 on a, b; 3f8eb4da87fa on c`, with digests as `ollama list` shows them. */
function describe({ digests }: DigestConflict): string {
  return digests.map(({ digest, nodes }) => `${digest.slice(0, 12)} on ${nodes.join(", ")}`).join("; ");
}
