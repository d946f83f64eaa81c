/** Which nodes a management request is for: where a new model goes, who has an old one, in which order they are asked. */
import type { ModelKey } from "../../shared/model_name.ts";
import type { Gpu } from "../../shared/protocol.ts";
import type { NodeFacts } from "./eligibility.ts";

/** What of a node decides whether a model is put there. */
export interface Home extends Pick<NodeFacts, "id" | "trust" | "models" | "reserved"> {
  readonly gpu: readonly Pick<Gpu, "memory_total">[];
  /** `memory_total`, bytes, is the machine's memory. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly routes: readonly { readonly reachable: boolean | null }[];
}

/**
 * `nodes` in the order in which `model` should be put there; null is a model nobody names. Healthy ones first, then one
 * that has it already, then by room: memory of the graphics cards, of the machine, least work, fewest models. The id is
 * the last word, so that two requests in a row choose alike.
 */
export function homesFor<T extends Home>(nodes: Iterable<T>, model: ModelKey | null): T[] {
  const ranked = Array.from(nodes, (node) => ({ node, rank: rankOf(node, model) }));
  ranked.sort((one, other) => compare(one.rank, other.rank) || (one.node.id < other.node.id ? -1 : 1));
  return ranked.map(({ node }) => node);
}

/** Those of `nodes` that have `model`, in the same order. */
export function holdersOf<T extends Home>(nodes: Iterable<T>, model: ModelKey): T[] {
  return homesFor(
    Array.from(nodes).filter((node) => node.models.has(model)),
    model,
  );
}

/** Smaller goes first, the first difference decides. */
function rankOf(node: Home, model: ModelKey | null): number[] {
  return [
    isHealthy(node) ? 0 : 1,
    model !== null && node.models.has(model) ? 0 : 1,
    -node.gpu.reduce((sum, { memory_total }) => sum + (memory_total ?? 0), 0),
    -bytesOf(node.metadata.memory_total),
    node.reserved,
    node.models.size,
  ];
}

function isHealthy({ trust, routes }: Home): boolean {
  return trust.kind === "admitted" && routes.some(({ reachable }) => reachable !== false);
}

/** Metadata is whatever an agent's owner put there. */
function bytesOf(value: unknown): number {
  return typeof value === "number" && value > 0 ? value : 0;
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : (one[at] ?? 0) - (other[at] ?? 0);
}
