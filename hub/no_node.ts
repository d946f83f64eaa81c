/** Why no node could be chosen for a request, for the client and the log. */
import type { Job, Refusal } from "./job.ts";
import { whyNot } from "./policy/eligibility.ts";
import type { LivenessLimits } from "./policy/liveness.ts";
import type { Registry } from "./registry.ts";

/** The refusal for `job`, which no node may serve now and none was tried for. */
export function whyNobody({ key, needs }: Job, registry: Registry, liveness: LivenessLimits): Refusal {
  const now = registry.now();
  const request = { model: key, tried: new Set<string>(), needs, digest: null, waiting: 0 };
  if (needs.nodeId !== null) {
    const node = registry.get(needs.nodeId);
    if (!node) return { kind: "pin_impossible", message: `X-Node-Id names ${needs.nodeId}, and there is no such node` };
    const reason = whyNot(node, request, now, liveness);
    if (reason === "model not there" || reason === "model claim not believed") {
      return { kind: "pin_impossible", message: `X-Node-Id names ${node.id}, which does not have the model` };
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
  return nodes > 0 && reasons.length === 0 ? { kind: "unknown_model" } : { kind: "no_node", reasons };
}
