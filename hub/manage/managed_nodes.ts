/** The nodes a management request can go to now, and what a client is told where there is none. */
import { ANY_MODEL } from "../../shared/model_name.ts";
import { nativeError } from "../faces/native.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import type { HubAnswer } from "../job.ts";
import { noSuchNode } from "../no_node.ts";
import { type Ineligible, type Placement, whyNot } from "../policy/eligibility.ts";
import type { LivenessLimits } from "../policy/liveness.ts";
import type { Registry } from "../registry.ts";

export interface ManagedNodesDeps {
  readonly registry: Registry;
  readonly liveness: LivenessLimits;
}

/** Who gets a request. */
export type Target =
  /** The first of these that can be reached. */
  | { readonly kind: "one"; readonly candidates: readonly NodeRecord[] }
  /** Every one of these, two at least. */
  | { readonly kind: "each"; readonly nodes: readonly NodeRecord[] }
  | { readonly kind: "nobody"; readonly answer: HubAnswer };

/** The first of `candidates` that can be reached. */
export function firstOf(candidates: readonly NodeRecord[]): Target {
  return { kind: "one", candidates };
}

/** Every one of `nodes`; of a single one the answer passes untouched. */
export function eachOf(nodes: readonly NodeRecord[]): Target {
  return nodes.length === 1 ? firstOf(nodes) : { kind: "each", nodes };
}

const HOW_TO_ADD_ONE =
  "no node has joined this hub: start an agent on a machine that runs Ollama, with SERVER_URL set to this hub's address";

/** Any node that answers Ollama's routes; nothing that passes soon keeps it from managing its models. */
const MANAGING: Placement = {
  model: ANY_MODEL,
  tried: new Set(),
  needs: { capability: "ollama", nodeId: null, slot: false },
  digest: null,
  waiting: 0,
};

/**
 * Who gets a request that asks for node `id` (`askedNode`): the node it names, `*` every node, or for null whom `choose`
 * picks of those that are there, at least one.
 */
export function targetOf(
  id: string | null,
  deps: ManagedNodesDeps,
  choose: (present: readonly NodeRecord[]) => Target,
): Target {
  const now = deps.registry.now();
  const all = Array.from(deps.registry.all());
  const present = all.filter((node) => whyAbsent(node, now, deps.liveness) === null);
  if (id !== null && id !== "*") return namedOf(id, all, present, now, deps.liveness);
  if (present.length === 0) return { kind: "nobody", answer: nobodyThere(all, now, deps.liveness) };
  return id === "*" ? eachOf(present) : choose(present);
}

function namedOf(
  id: string,
  all: readonly NodeRecord[],
  present: readonly NodeRecord[],
  now: number,
  liveness: LivenessLimits,
): Target {
  const node = all.find((each) => each.id === id);
  if (node === undefined) {
    return { kind: "nobody", answer: nativeError(404, noSuchNode(id, { all: () => all })) };
  }
  const reason = whyAbsent(node, now, liveness);
  if (reason === null) return firstOf([node]);
  const instead = present.length > 0 ? `these could: ${namesOf(present)}` : "neither can any other node";
  return { kind: "nobody", answer: nativeError(503, `node ${id} (X-Node-Id) cannot do it now: ${reason}; ${instead}`) };
}

function namesOf(nodes: readonly NodeRecord[]): string {
  return nodes.map(({ id }) => id).join(", ");
}

function nobodyThere(all: readonly NodeRecord[], now: number, liveness: LivenessLimits): HubAnswer {
  if (all.length === 0) return nativeError(503, HOW_TO_ADD_ONE);
  const reasons = all.map((node) => `${node.id}: ${whyAbsent(node, now, liveness)}`).join("; ");
  return nativeError(503, `no node can do this now: ${reasons} (GET /nodes shows the state of every node)`);
}

/** One that failed lately is only second choice: what is wrong with it may be the very model that is to be replaced. */
function whyAbsent(node: NodeRecord, now: number, liveness: LivenessLimits): Ineligible | null {
  const reason = whyNot(node, MANAGING, now, liveness);
  return reason === "ejected" ? null : reason;
}
