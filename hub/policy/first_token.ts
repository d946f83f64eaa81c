/** When a request's first token is expected from a node, and whether a full node is worth waiting for. */
import type { ModelKey } from "../../shared/model_name.ts";
import { isLoading, type NodeFacts, type Placement } from "./eligibility.ts";
import { bytesOf, firstTokenAlone, isLoadedWith, sizeOf } from "./pace.ts";
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
/** For how much a load counts, and whether a node that comes back counts as busy with the share it may not have yet. */
interface Weights {
  readonly withRoom: number;
  readonly inPlace: number;
  readonly ramped: boolean;
}

/**
 * A load where there is room counts for a fifth: the copy stays and serves those who come after. Three times where
 * another model has to leave: whoever wants that one next waits for two loads.
 */
const WEIGHTS: Weights = { withRoom: 0.2, inPlace: 3, ramped: true };
/** Beside a full node: where nobody else has a free slot, one that comes back is given all that comes (ramp.ts). */
const BESIDE_FULL: Weights = { ...WEIGHTS, ramped: false };
/** As the request itself has to wait for it. */
const UNWEIGHED: Weights = { withRoom: 1, inPlace: 1, ramped: false };
/** Part of the first token's time on the node whose cache still has the conversation's turns before. */
const KNOWN_CONVERSATION = 0.5;
/** Times what a free node takes: after that wait it is taken, whatever was expected of those that are full. */
const LONG_WAIT = 2;
/** Part of the time that a request may wait, after which it takes what is free: the rest is for when nothing is. */
const PATIENT_PART = 0.25;
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
  return ms === null ? 0 : stepOf(ms);
}

/**
 * Tells of a node whether its step is above `step`, as far as that can be told by how busy it is: most nodes of a large
 * fleet need no closer look.
 */
export function isBehindStep(step: number, request: Placement): (node: NodeFacts) => boolean {
  const { expected, lastNode } = request;
  if (!expected) return () => false;
  // A little more, since both are rounded.
  const most = ((Math.exp((step + 0.5) * STEP) - 1) / expected.firstTokenMs) * 1.000_001 - 1;
  return (node) => node.reserved > most && node.id !== lastNode;
}

/**
 * Milliseconds up to which a first token may be expected from a free node: later ones are not worth it, because one of
 * `full` is expected sooner once the requests that wait have been served. A full node that is fast and has the model is
 * worth waiting for, as long as not too many do, and not for ever.
 */
export function latestFirstToken(full: readonly NodeFacts[], request: Placement, now: number): number {
  const { expected, needs, model, waiting, accepted } = request;
  if (!expected || !needs.slot || isImpatient(request)) return Number.POSITIVE_INFINITY;
  let [slots, soonest] = [0, Number.POSITIVE_INFINITY];
  for (const node of full) {
    if (!isReady(node, request) && !isLoading(node, model)) continue;
    slots += node.slots;
    soonest = Math.min(soonest, firstTokenMs(node, request, now, BESIDE_FULL) ?? 0);
  }
  if (slots === 0) return Number.POSITIVE_INFINITY;
  const inLine = waiting + (accepted ? 0 : 1);
  return (inLine * expected.serviceMs) / slots + soonest;
}

/** True when `request` has waited for so long that it is held back from no free node any more. */
export function isImpatient({ waitedMs = 0, patienceMs = Number.POSITIVE_INFINITY }: Placement): boolean {
  return waitedMs >= patienceMs * PATIENT_PART;
}

/**
 * True when a free node's first token is not expected later than `latestMs`, or the request has waited for long by what
 * the node takes: what was expected of the others may not come. What cannot be told holds nobody back, since a request
 * that waits for nothing waits in vain.
 */
export function isInTime(node: NodeFacts, request: Placement, now: number, latestMs: number): boolean {
  if (latestMs === Number.POSITIVE_INFINITY) return true;
  if (!((firstTokenMs(node, request, now, BESIDE_FULL) ?? 0) > latestMs)) return true;
  return !((firstTokenMs(node, request, now, UNWEIGHED) ?? 0) > (request.waitedMs ?? 0) / LONG_WAIT);
}

/**
 * Milliseconds to the first token of `request` on `node` beside those at work there, loads weighed unless told otherwise;
 * null where nothing is expected.
 */
export function firstTokenMs(node: NodeFacts, request: Placement, now: number, weights = WEIGHTS): number | null {
  const { expected, model } = request;
  if (!expected) return null;
  const alone = firstTokenAlone(node.pace, model, expected.firstTokenMs, now);
  const others = weights.ramped ? busyness(node, now) * node.slots : node.reserved;
  const own = alone * knownPart(node, request) * (1 + others);
  return isReady(node, request) ? own : own + loadMs(node, request, expected, now, weights);
}

function stepOf(ms: number): number {
  return Math.round(Math.log(1 + ms) / STEP);
}

function knownPart({ id }: NodeFacts, { lastNode }: Placement): number {
  return lastNode === id ? KNOWN_CONVERSATION : 1;
}

function loadMs(node: NodeFacts, { model }: Placement, { loadSpeed }: Expected, now: number, weights: Weights): number {
  const msOf = (each: ModelKey) => sizeOf(each, node.sizes) / (node.pace.load?.value ?? loadSpeed);
  // An Ollama loads one model at a time.
  let ms = 0;
  for (const [each, since] of node.loadingSince) ms += Math.max(0, msOf(each) - (now - since));
  return isLoading(node, model) ? ms : ms + msOf(model) * (hasRoom(node, model) ? weights.withRoom : weights.inPlace);
}

/** True when `model` is in memory as the request needs it, or somewhere else. Older agents do not say what is. */
function isReady(node: NodeFacts, { model, loadOptions = "" }: Placement): boolean {
  if (!node.knowsLoaded || node.remote.has(model)) return true;
  return node.loaded.has(model) && isLoadedWith(node.pace, model, loadOptions);
}

/** True as far as is known when no other model has to leave for `model`, nor itself as it is loaded now. */
function hasRoom({ loaded, loadingSince, sizes, pace }: NodeFacts, model: ModelKey): boolean {
  if (loaded.has(model) || loadingSince.has(model)) return false;
  if (loaded.size + loadingSince.size === 0) return true;
  let bytes = sizeOf(model, sizes) + bytesOf(loaded, sizes);
  for (const each of loadingSince.keys()) if (!loaded.has(each)) bytes += sizeOf(each, sizes);
  return bytes < pace.overflow;
}
