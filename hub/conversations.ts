/** Which manifest a conversation is with, so that nodes with different ones under the same name are not mixed in it. */
import type { ModelKey } from "../shared/model_name.ts";
import type { NodeRecord } from "./fleet/node_record.ts";
import type { Registry } from "./registry.ts";

/** How much it matters to a request that the same manifest answers as before. */
export type Continuity =
  /** A question of its own: any will do. */
  | { readonly kind: "none" }
  /** One of many whose answers are compared with each other, as embeddings are. */
  | { readonly kind: "always the same" }
  /** A turn of a conversation; `begun` when it holds answers already. */
  | { readonly kind: "conversation"; readonly id: string; readonly begun: boolean };

/** Conversations remembered; the one silent for longest goes first. */
const REMEMBERED = 10_000;

interface Turn {
  readonly key: ModelKey;
  readonly continuity: Continuity;
}

export type Conversations = ReturnType<typeof createConversations>;

/** Nothing remembered. */
export function createConversations(registry: Pick<Registry, "digestsOf">) {
  const digests = new Map<string, string>();
  const nodes = new Map<string, string>();

  return {
    /** The manifest that should answer `turn`, or null when any may: most of the time all nodes have the same. */
    digestFor({ key, continuity }: Turn): string | null {
      if (continuity.kind === "none") return null;
      const { all: held, main } = registry.digestsOf(key);
      if (held.size < 2) return null;
      if (continuity.kind === "conversation") {
        const remembered = digests.get(continuity.id);
        if (remembered !== undefined && held.has(remembered)) return remembered;
        if (!continuity.begun) return null;
      }
      return main;
    },

    /** The node that answered the turn before `turn`, as far as that is remembered. */
    lastNodeOf: ({ continuity }: Pick<Turn, "continuity">): string | null =>
      continuity.kind === "conversation" && continuity.begun ? (nodes.get(continuity.id) ?? null) : null,

    /** `node` answered `turn`. */
    servedBy({ key, continuity }: Turn, node: Pick<NodeRecord, "id" | "digests">): void {
      if (continuity.kind !== "conversation") return;
      remember(nodes, continuity.id, node.id);
      const digest = node.digests.get(key);
      if (digest !== undefined) remember(digests, continuity.id, digest);
    },
  };
}

/** The newest last, and no more than so many. */
function remember(memory: Map<string, string>, conversation: string, what: string): void {
  memory.delete(conversation);
  memory.set(conversation, what);
  const [oldest] = memory.keys();
  if (memory.size > REMEMBERED && oldest !== undefined) memory.delete(oldest);
}
