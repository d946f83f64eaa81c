/** When a request's first token is expected from a node, and whether a full node is worth waiting for. */
import type { ModelKey } from "../../shared/model_name.ts";
import { isLoading, type NodeFacts, type Placement } from "./eligibility.ts";
import { bytesOf, UNKNOWN_SIZE } from "./pace.ts";
import { busyness } from "./ramp.ts";

/** What is measured of one model over all nodes. */
export interface Expected {
  /** Milliseconds to the first token on the fastest node: also what is expected of one that has not run it yet. */
  readonly firstTokenMs: number;
  /** Bytes a millisecond at which models are loaded on average: also for a node that has loaded none yet. */
  readonly loadSpeed: number;
  /** Milliseconds a request for it holds its slot. */
  readonly serviceMs: number;
}

/** Half a gigabyte a second, a common solid-state disk, where no load was seen anywhere. */
const USUAL_LOAD_SPEED = 500_000;
/** A load where there is room counts for a fifth: the copy stays and serves those who come after. */
const LOAD_WITH_ROOM = 0.2;
/** Three times where another model has to leave: whoever wants that one next waits for two loads. */
const LOAD_IN_PLACE = 3;
/** Part of the first token's time on the node whose cache still has the conversation's turns before. */
const KNOWN_CONVERSATION = 0.5;
/** Times what a free node takes: after that wait it is taken, whatever was expected of those that are full. */
const LONG_WAIT = 2;
/** Less than a quarter more is no difference: what was measured is not more exact than that. */
const STEP = Math.log(1.25);

/** What is expected of requests for `model`, from what was measured of `nodes`; `serviceMs` as the registry has it. */
export function expectedOf(
  nodes: Iterable<Pick<NodeFacts, "pace">>,
  model: ModelKey,
  serviceMs: number | null,
): Expected | null {
  let firstTokenMs = Number.POSITIVE_INFINITY;
  let [speeds, loaders] = [0, 0];
  for (const { pace } of nodes) {
    firstTokenMs = Math.min(firstTokenMs, pace.firstToken.get(model)?.value ?? Number.POSITIVE_INFINITY);
    if (pace.load === null) continue;
    speeds += pace.load.value;
    loaders++;
  }
  if (serviceMs === null || firstTokenMs === Number.POSITIVE_INFINITY) return null;
  return { firstTokenMs, loadSpeed: loaders === 0 ? USUAL_LOAD_SPEED : speeds / loaders, serviceMs };
}

/** By which nodes are compared: whole steps of a quarter more each; 0 where nothing is expected. */
export function firstTokenStep(node: NodeFacts, request: Placement, now: number): number {
  const ms = firstTokenMs(node, request, now);
  return ms === null ? 0 : Math.round(Math.log(1 + ms) / STEP);
}

/**
 * Of `candidates`, those from which the first token is not expected later than from one of `full` once the requests that
 * wait have been served: a full node that is fast and has the model is worth waiting for, as long as not too many do.
 */
export function withoutLaterThanWaiting<Node extends NodeFacts>(
  candidates: readonly Node[],
  full: readonly Node[],
  request: Placement,
  now: number,
): readonly Node[] {
  if (!request.expected || !request.needs.slot) return candidates;
  const having = (node: Node) => isReady(node, request) || isLoading(node, request.model);
  const worth = full.filter(having);
  if (worth.length === 0) return candidates;
  const slots = [...worth, ...candidates.filter(having)].reduce((sum, node) => sum + node.slots, 0);
  const inLine = request.waiting + (request.accepted ? 0 : 1);
  const waitMs = (inLine * request.expected.serviceMs) / slots;
  const ms = (node: Node) => firstTokenMs(node, request, now) ?? 0;
  const soonest = worth.reduce((least, node) => Math.min(least, waitMs + ms(node)), Number.POSITIVE_INFINITY);
  // What was expected may not come: who has waited for long by what a free node takes waits no more for another.
  const latest = Math.max(soonest, (request.waitedMs ?? 0) / LONG_WAIT);
  return candidates.filter((node) => ms(node) <= latest);
}

/**
 * Milliseconds to the first token of `request` on `node` beside those at work there, loads weighed; null where nothing is
 * expected.
 */
export function firstTokenMs(node: NodeFacts, request: Placement, now: number): number | null {
  const { expected, model } = request;
  if (!expected) return null;
  const alone = node.pace.firstToken.get(model)?.value ?? expected.firstTokenMs;
  const known = request.lastNode === node.id ? KNOWN_CONVERSATION : 1;
  const own = alone * known * (1 + busyness(node, now) * node.slots);
  return isReady(node, request) ? own : own + weighedLoadMs(node, request, expected, now);
}

function weighedLoadMs(node: NodeFacts, { model }: Placement, { loadSpeed }: Expected, now: number): number {
  const loadMs = (each: ModelKey) => (node.sizes.get(each) ?? UNKNOWN_SIZE) / (node.pace.load?.value ?? loadSpeed);
  // An Ollama loads one model at a time.
  let ms = 0;
  for (const [each, since] of node.loadingSince) ms += Math.max(0, loadMs(each) - (now - since));
  return isLoading(node, model) ? ms : ms + loadMs(model) * (hasRoom(node, model) ? LOAD_WITH_ROOM : LOAD_IN_PLACE);
}

/** True when `model` is in memory as the request needs it. Older agents do not say what is. */
function isReady(node: NodeFacts, { model, loadOptions = "" }: Placement): boolean {
  if (!node.knowsLoaded) return true;
  return node.loaded.has(model) && (node.pace.loadOptions.get(model) ?? loadOptions) === loadOptions;
}

/** True as far as is known when no other model has to leave for `model`, nor itself as it is loaded now. */
function hasRoom({ loaded, loadingSince, sizes, pace }: NodeFacts, model: ModelKey): boolean {
  if (loaded.has(model) || loadingSince.has(model)) return false;
  if (loaded.size + loadingSince.size === 0) return true;
  let bytes = (sizes.get(model) ?? UNKNOWN_SIZE) + bytesOf(loaded, sizes);
  for (const each of loadingSince.keys()) if (!loaded.has(each)) bytes += sizes.get(each) ?? UNKNOWN_SIZE;
  return bytes < pace.overflow;
}
