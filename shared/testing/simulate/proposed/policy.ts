/**
 * The proposed policy at work: hub/policy/selection.ts's steps with two more, as the patch has them, and what the registry
 * would learn.
 */
import type { NodeRecord } from "../../../../hub/node_record.ts";
import { type Load, withoutNeedlessLoads } from "../../../../hub/policy/cold_start.ts";
import { isLoading, whyNot, worthWaitingFor } from "../../../../hub/policy/eligibility.ts";
import { type Choice, CRITERIA, choose } from "../../../../hub/policy/selection.ts";
import { LIMITS } from "../../../../hub/testing/node_facts.ts";
import { type ModelKey, modelKey } from "../../../model_name.ts";
import type { Work } from "../machine.ts";
import type { Policy } from "../policies.ts";
import {
  expectedOf,
  firstTokenStep,
  type PacedNode,
  type PacedPlacement,
  withoutLaterThanWaiting,
} from "./first_token.ts";
import { afterFirstToken, afterLoad, afterReport, afterUse, type Pace, UNKNOWN_PACE, UNKNOWN_SIZE } from "./pace.ts";

type Seen = NodeRecord & PacedNode;

const [heartbeat, ...others] = CRITERIA;

/** Null before the first difference: the expected first token comes second. */
function compare(a: Seen, b: Seen, request: PacedPlacement, now: number): number {
  let order =
    heartbeat.value(a, request, now, LIMITS) - heartbeat.value(b, request, now, LIMITS) ||
    firstTokenStep(a, request, now) - firstTokenStep(b, request, now);
  for (const { value } of others) order ||= value(a, request, now, LIMITS) - value(b, request, now, LIMITS);
  return order;
}

function chooseSoonest(nodes: readonly Seen[], request: PacedPlacement, now: number): Choice<NodeRecord> {
  const eligible: Seen[] = [];
  const full: Seen[] = [];
  const loads: Load[] = [];
  for (const node of nodes) {
    const reason = whyNot(node, request, now, LIMITS);
    if (reason === null) eligible.push(node);
    else if (!worthWaitingFor(node, reason, request, now)) continue;
    else if (reason === "full") full.push(node);
    if (!isLoading(node, request.model)) continue;
    const since = node.loadingSince.get(request.model) ?? now;
    loads.push({ waiting: node.starting.get(request.model) ?? 0, ms: now - since });
  }
  if (eligible.length === 0) return choose(nodes, request, now, LIMITS);
  const candidates = withoutLaterThanWaiting(withoutNeedlessLoads(eligible, loads, request), full, request, now);
  let best: Seen | undefined;
  for (const node of candidates) if (!best || compare(node, best, request, now) < 0) best = node;
  return best ? { kind: "node", node: best } : { kind: "wait" };
}

export const PROPOSED: Policy = {
  name: "proposed",
  rule:
    "This hub's order with the expected first token as its second criterion: what was measured of the node for this model, " +
    "times one more than the requests at work there, half of it where the conversation's last turn was answered, and the " +
    "load if it has to load: a fifth of it where there is room, three times where another model has to leave. A full node " +
    "is waited for while it is expected sooner than any free one.",
  open({ registry, clock }) {
    const paces = new Map<string, Pace>();
    const lastNodes = new Map<number, string>();
    const before = new Map<string, ReadonlySet<ModelKey>>();
    const paceOf = (id: string) => paces.get(id) ?? UNKNOWN_PACE;
    const sizesOf = ({ tags }: NodeRecord) => new Map(tags.map(({ name, size }) => [modelKey(name), size]));
    const sizes = new Map<string, ReadonlyMap<ModelKey, number>>();
    const optionsOf = ({ context }: Work) => (context === null ? "" : `num_ctx ${context}`);
    return {
      queues: true,
      choose(request, work) {
        const nodes = Array.from(registry.all(), (node) =>
          Object.assign(Object.create(node) as NodeRecord, {
            pace: paceOf(node.id),
            sizes: sizes.get(node.id) ?? new Map(),
          }),
        );
        const paced = {
          ...request,
          expected: expectedOf(nodes, request.model, registry.serviceMs(request.model)),
          loadOptions: optionsOf(work),
          lastNode: work.conversation === null ? null : (lastNodes.get(work.conversation) ?? null),
        };
        const choice = chooseSoonest(nodes, paced, clock.now());
        if (choice.kind !== "node") return choice;
        const node = registry.get(choice.node.id);
        return node ? { kind: "node", node } : { kind: "none" };
      },
      heard(node) {
        const known = sizes.get(node.id) ?? sizesOf(node);
        sizes.set(node.id, known);
        const report = {
          before: before.get(node.id) ?? node.loaded,
          loaded: node.loaded,
          loading: node.loadingSince.keys(),
          sizes: known,
        };
        paces.set(node.id, afterReport(paceOf(node.id), report, clock.now()));
        before.set(node.id, node.loaded);
      },
      sent(work, node) {
        paces.set(node.id, afterUse(paceOf(node.id), modelKey(work.model), optionsOf(work), clock.now()));
      },
      answered(work, nodeId, { cold, alone, atNode }, ms) {
        const model = modelKey(work.model);
        const pace = paceOf(nodeId);
        if (!cold) paces.set(nodeId, afterFirstToken(pace, model, ms, atNode));
        else if (alone && atNode === 1) {
          paces.set(nodeId, afterLoad(pace, sizes.get(nodeId)?.get(model) ?? UNKNOWN_SIZE, ms));
        }
        if (work.conversation !== null) lastNodes.set(work.conversation, nodeId);
      },
    };
  },
};
