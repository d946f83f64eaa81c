/** Why no node could be chosen for a request, for the client and the log. */
import type { Comeback } from "./fleet/comeback.ts";
import type { Job, Refusal } from "./job.ts";
import { whyNot } from "./policy/eligibility.ts";
import type { LivenessLimits } from "./policy/liveness.ts";
import type { Registry } from "./registry.ts";

/** For a client that asks for node `id`, which is not there. */
export function noSuchNode(id: string, registry: Pick<Registry, "all">): string {
  const names = Array.from(registry.all(), (node) => node.id).join(", ");
  const there = names === "" ? "no node has joined this hub" : `the nodes of this hub are ${names}`;
  return `there is no node ${JSON.stringify(id)} (X-Node-Id): ${there}`;
}

/** What is asked about the fleet. */
export interface FleetNow {
  readonly registry: Registry;
  readonly liveness: LivenessLimits;
  readonly comeback: Pick<Comeback, "underWay">;
}

/** The refusal for `job`, which no node may serve now and none was tried for. */
export function whyNobody({ key, needs }: Job, { registry, liveness, comeback }: FleetNow): Refusal {
  const now = registry.now();
  const request = { model: key, tried: new Set<string>(), needs, digest: null, waiting: 0 };
  if (needs.nodeId !== null) {
    const node = registry.get(needs.nodeId);
    if (!node) return { kind: "pin_impossible", message: noSuchNode(needs.nodeId, registry) };
    const reason = whyNot(node, request, now, liveness);
    if (reason === "model not there" || reason === "model claim not believed") {
      return { kind: "pin_impossible", message: `node ${node.id} (X-Node-Id) does not have the model` };
    }
    return { kind: "no_node", reasons: [`${node.id}: ${reason ?? "taken just now"}`] };
  }
  const reasons: string[] = [];
  let nodes = 0;
  for (const node of registry.all()) {
    nodes++;
    const reason = whyNot(node, request, now, liveness);
    // A claim that its own Ollama denied is none.
    if (reason === "model not there" || reason === "model claim not believed") continue;
    reasons.push(`${node.id}: ${reason ?? "taken just now"}`);
  }
  if (nodes === 0 || reasons.length > 0) return { kind: "no_node", reasons };
  // "There is no such model" is final to every client, and `ollama run` would pull it.
  if (comeback.underWay) return { kind: "no_node", reasons: ["the hub was restarted, and not all nodes are back yet"] };
  return { kind: "unknown_model" };
}
