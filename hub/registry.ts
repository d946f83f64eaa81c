/** The table of nodes: the only place where what is known of them changes. */
import type { Address } from "../shared/address.ts";
import { type IpPreference, routeOrder } from "../shared/address_order.ts";
import type { Clock } from "../shared/clock.ts";
import { ANY_MODEL, type ModelKey, modelKey } from "../shared/model_name.ts";
import type { DiskModel, LoadedModel } from "../shared/ollama_models.ts";
import { DEFAULT_SLOTS, type Heartbeat, type NodeHealth } from "../shared/protocol.ts";
import { createCrowds } from "./fleet/crowd.ts";
import { createExpectations } from "./fleet/expectations.ts";
import type { FleetEvent } from "./fleet/fleet_event.ts";
import { type HubPlace, setDialable, takeHeartbeat } from "./fleet/heartbeat_intake.ts";
import { takeInventory } from "./fleet/inventory.ts";
import { createKnownDigests } from "./fleet/known_digests.ts";
import {
  type Entry,
  isProven,
  NodeLost,
  type NodeRecord,
  newEntry,
  type Route,
  type RouteTry,
} from "./fleet/node_record.ts";
import { createStanding } from "./fleet/node_standing.ts";
import { isOther, placeFactsOf } from "./fleet/place_facts.ts";
import { NO_RESERVATION, noteLoads, type Reservation, takeSlot } from "./fleet/reservation.ts";
import { createServiceTimes } from "./fleet/service_times.ts";
import type { Crowd } from "./policy/crowd.ts";
import * as ejection from "./policy/ejection.ts";
import { fitKey } from "./policy/eligibility.ts";
import * as learnedSlots from "./policy/learned_slots.ts";
import { type LivenessLimits, livenessOf } from "./policy/liveness.ts";
import * as pace from "./policy/pace.ts";

export interface RegistryOptions {
  /** Time in which this process stood still does not count in it: the nodes could not be heard. */
  readonly clock: Clock;
  readonly liveness: LivenessLimits;
  readonly ejection: ejection.EjectionLimits;
  readonly ipPreference: IpPreference;
  /** Where the hub itself is, for addresses that are none of a node; nowhere unless told. */
  readonly place?: HubPlace;
  /** Called when a node has told of addresses at which it has not proven to be. */
  readonly onUnproven?: (node: NodeRecord) => void;
  /** Called when a waiting request may find a place now: on `node`, or for another reason. */
  readonly onCapacity?: (node?: NodeRecord) => void;
  /** Called when a node has other models on disk than before, or pulled one anew. */
  readonly onModels?: () => void;
  /** Told what people should know: a node joined, left, was ejected, came back. */
  readonly onEvent?: (event: FleetEvent) => void;
}

export type Registry = ReturnType<typeof createRegistry>;

/** Milliseconds for which a model is not asked of a node that answered 404 for it. */
const DISBELIEF_MS = 60_000;
/** Milliseconds for which a model is not asked of a node whose memory it did not fit. */
const UNFIT_MS = 600_000;
/** What did not fit, remembered of each node at most. */
const MOST_UNFIT = 100;
/** Milliseconds a node that said it is busy is left alone, unless it said how long. */
const REST_MS = 1_000;

const NOWHERE: HubPlace = { hubPort: null, whereIs: () => "on link" };

/** An empty registry. */
export function createRegistry(options: RegistryOptions) {
  const { clock, ipPreference, place = NOWHERE } = options;
  const nodes = new Map<string, Entry>();
  const crowds = createCrowds((id) => nodes.get(id));
  let picks = 0;
  const serviceTimes = createServiceTimes();
  const having: (model: ModelKey) => readonly NodeRecord[] = crowds.having;
  const digests = createKnownDigests(having);
  const expectations = createExpectations({ now: clock.now, having, serviceMs: serviceTimes.of });

  const changed = (node?: NodeRecord) => options.onCapacity?.(node);
  const changedModels = () => {
    digests.forget();
    options.onModels?.();
  };
  /** Notes which models the node has; true when they are other ones than before. */
  function indexModels(node: Entry): boolean {
    if (!crowds.set(node)) return false;
    digests.forget();
    node.pace = pace.onlyOf(node.pace, node.models);
    return true;
  }
  function remove(node: Entry, why: string): void {
    nodes.delete(node.id);
    crowds.delete(node);
    changedModels();
    tell("removed", node.id, why);
  }
  const tell = (event: FleetEvent["event"], nodeId: string, detail: string) =>
    options.onEvent?.({ event, nodeId, detail });

  const { setTrust, setSlots, setOllama, setIntent, noteBoot, isReplaced, giveUpWork } = createStanding({
    clock,
    tell,
    changed,
    noted: crowds.note,
  });

  function watchNode(node: Entry): () => void {
    if (node.reserved + node.watched === 0) node.lastContactAt = clock.now();
    node.watched++;
    let watching = true;
    return () => {
      if (watching) node.watched--;
      watching = false;
    };
  }

  return {
    /**
     * Takes in a heartbeat that came from address `source`: that address replaces the reported one of its family.
     * Returns null for a heartbeat that was overtaken by a newer one, or comes from a process that was replaced.
     */
    heartbeat(beat: Heartbeat, source: Address | null): NodeRecord | null {
      const now = clock.now();
      const known = nodes.get(beat.node_id);
      const factsBefore = known ? placeFactsOf(known, now, options.liveness) : [];
      const node = known ?? newEntry(beat.node_id, now, clock.wall(), ++picks);
      if (!noteBoot(node, beat.boot_id ?? null)) return null;
      if (beat.seq != null && node.seq !== null && beat.seq <= node.seq) return null;
      node.seq = beat.seq ?? null;
      node.lastHeardAt = now;
      node.lastSeen = clock.wall();
      const { routes: before, reported, loaded: answered } = node;
      const otherModels = takeHeartbeat(node, beat, source, ipPreference, place);
      const isNews = !known || node.routes.some((route) => !before.includes(route)) || node.routes.length === 0;
      const unproven =
        isNews && options.onUnproven !== undefined && node.routes.some(({ origin }) => !isProven(node, origin));
      if (unproven) node.proving = node.unproven;
      noteLoads(node, now);
      const { loaded, sizes } = node;
      node.pace = pace.afterReport(
        node.pace,
        { reported, before: reported.union(answered), loaded, loading: node.loadingSince.keys(), sizes },
        now,
      );
      node.reported = loaded;
      setOllama(node, beat.ollama?.ok ?? true);
      setSlots(node, learnedSlots.afterReport(node.learned, beat.slots ?? DEFAULT_SLOTS, now));
      if (!known) {
        nodes.set(node.id, node);
        tell("joined", node.id, `${node.ipv6 ?? "no IPv6"}, ${node.ipv4 ?? "no IPv4"}, ${beat.models.length} models`);
      }
      const otherNames = indexModels(node);
      crowds.note(node);
      setIntent(node, beat.intent ?? "serving");
      if (otherModels) changedModels();
      // What it has no more is to be refused at once.
      if (otherNames) changed();
      else if (isOther(factsBefore, placeFactsOf(node, now, options.liveness))) changed(node);
      if (unproven) options.onUnproven?.(node);
      return node;
    },

    get: (id: string): NodeRecord | undefined => nodes.get(id),

    /** How many nodes there are. */
    get size(): number {
      return nodes.size;
    },

    /** True when another agent has taken the name of the one with this boot id. */
    isReplaced(id: string, bootId: string): boolean {
      const node = nodes.get(id);
      return node !== undefined && isReplaced(node, bootId);
    },

    /** Somebody else spoke in the node's name and was refused. */
    spokenFor(id: string, detail: string): void {
      const node = nodes.get(id);
      if (node) node.impostor = { at: clock.wall().toISOString(), detail, heardAt: clock.now() };
    },

    /** Every node, in the order in which they joined. */
    all: (): Iterable<NodeRecord> => nodes.values(),

    /** Those that say they have `model`, in no certain order; all of them for ANY_MODEL. */
    having,

    /** The same, and with which of them a look at very many begins. */
    crowd: (model: ModelKey): Crowd<NodeRecord> => crowds.of(model, picks),

    /** Monotonic milliseconds, as every time in a NodeRecord. */
    now: clock.now,

    /** Those of the node's routes by which it may be given work, in the order to dial them now. */
    routesOf: (node: Pick<NodeRecord, "routes" | "publicKey" | "proven">): Route[] =>
      routeOrder(
        node.routes.filter(({ origin }) => isProven(node, origin)),
        ipPreference,
      ),

    /** `routes` in the order in which they would be dialled. */
    inOrder: (routes: readonly Route[]): Route[] => routeOrder(routes, ipPreference),

    /** The node has shown with its key that it is at `origin`, or something else has shown to be there. */
    proven(id: string, origin: string, isThere: boolean): void {
      const node = nodes.get(id);
      node?.doubted.delete(origin);
      if (!node?.routes.some((route) => route.origin === origin) || node.proven.has(origin) === isThere) return;
      if (isThere) node.proven.add(origin);
      else node.proven.delete(origin);
      setDialable(node, ipPreference);
      if (node.dialable) node.proving = false;
      changed(node);
    },

    /** What the node was at broke off: it may have left its addresses, so it has to prove them again before they are used. */
    doubt(id: string): void {
      const node = nodes.get(id);
      for (const origin of node?.proven ?? []) node?.doubted.add(origin);
    },

    /** The node could not prove itself at any address; it is asked again now and then. */
    unproven(id: string): void {
      const node = nodes.get(id);
      if (!node?.proving) return;
      node.proving = false;
      changed(node);
    },

    /** Forgets the node at once, and gives up what it was doing. False when there is none. */
    forget(id: string): boolean {
      const node = nodes.get(id);
      if (!node) return false;
      giveUpWork(node, new NodeLost("the node was forgotten", false));
      remove(node, "an operator had it forgotten");
      changed();
      return true;
    },

    /**
     * Takes one of the node's slots for a request for `model`, or `slot` false: only its turn, and the node is watched.
     * There is no await between choosing and this, so two cannot take the last one.
     */
    reserve(id: string, model: ModelKey = ANY_MODEL, slot = true, requestId = "", loadOptions = ""): Reservation {
      const node = nodes.get(id);
      if (!node) return NO_RESERVATION;
      node.lastPicked = ++picks;
      if (!slot) return { ...NO_RESERVATION, release: watchNode(node) };
      if (node.reserved + node.watched === 0) node.lastContactAt = clock.now();
      const onChange = () => {
        crowds.note(node);
        changed(node);
      };
      const usualMs = (each: ModelKey) => expectations.of(each)?.firstTokenMs ?? null;
      const reservation = takeSlot(node, { model, id: requestId, loadOptions }, { clock, usualMs, onChange });
      crowds.note(node);
      if (model !== ANY_MODEL) node.pace = pace.afterUse(node.pace, model, loadOptions, clock.now());
      return reservation;
    },

    /** Has a node watched as one with work, until the returned function is called. */
    watch(id: string): () => void {
      const node = nodes.get(id);
      return node ? watchNode(node) : () => {};
    },

    /** A node told its lists when asked, between two heartbeats. */
    listed(id: string, tags: readonly DiskModel[], ps: readonly LoadedModel[] | null): void {
      const node = nodes.get(id);
      if (!node) return;
      const names = tags.map(({ name }) => name);
      const loaded = ps ? { ps, loaded: ps.map(({ name }) => name) } : {};
      const otherModels = takeInventory(node, { names, tags, ...loaded });
      indexModels(node);
      crowds.note(node);
      if (otherModels) changedModels();
      changed();
    },

    /** A whole answer told how long it waited for a slot inside the node's Ollama. */
    waitedForSlot(id: string, answer: learnedSlots.SlotAnswer): void {
      const node = nodes.get(id);
      if (!node) return;
      const before = node.slots;
      setSlots(node, learnedSlots.afterAnswer(node.learned, answer, clock.now()));
      if (node.slots > before) changed(node);
    },

    /** The node served a request for `model` with these load options in `ms` milliseconds. */
    succeeded(id: string, ms: number, model: ModelKey = ANY_MODEL, loadOptions = ""): void {
      serviceTimes.took(model, ms);
      const node = nodes.get(id);
      if (!node) return;
      setTrust(node, ejection.afterSuccess(node.trust, clock.now()));
      // There is room for it again, unless it was sent before there was none.
      const key = fitKey(model, loadOptions);
      const unfitAt = (node.unfit.get(key) ?? Number.POSITIVE_INFINITY) - UNFIT_MS;
      if (clock.now() - ms < unfitAt) return;
      node.unfit.delete(key);
      changed(node);
    },

    /** The node failed in a way that counts against it; `request` is the hash of what it failed at, if that may be why. */
    failed(id: string, reason: string, request: string | null = null): void {
      const node = nodes.get(id);
      if (node) setTrust(node, ejection.afterFailure(node.trust, { reason, request }, clock.now(), options.ejection));
    },

    /** The node lists the model but has not got it: its claim is not believed for a minute. */
    disbelieve(id: string, model: ModelKey): void {
      nodes.get(id)?.disbelieved.set(model, clock.now() + DISBELIEF_MS);
    },

    /** The model did not fit the node's memory with these load options. */
    unfit(id: string, model: ModelKey, loadOptions = ""): void {
      const unfit = nodes.get(id)?.unfit;
      if (!unfit) return;
      // The newest last: clients make up options.
      const key = fitKey(model, loadOptions);
      unfit.delete(key);
      unfit.set(key, clock.now() + UNFIT_MS);
      const [oldest] = unfit.keys();
      if (unfit.size > MOST_UNFIT && oldest !== undefined) unfit.delete(oldest);
    },

    /** The model was put there just now: what was believed of it before holds no more. */
    arrived(id: string, model: ModelKey): void {
      const node = nodes.get(id);
      node?.disbelieved.delete(model);
      for (const key of node?.unfit.keys() ?? [])
        if (key === model || key.startsWith(`${model} `)) node?.unfit.delete(key);
    },

    /** The node said it has no room: it is left alone for `ms` milliseconds. */
    rest(id: string, ms: number | null): void {
      const node = nodes.get(id);
      if (node) node.restingUntil = clock.now() + (ms ?? REST_MS);
    },

    /** The node handed a request back because its Ollama is away or it is stopping, before its heartbeat said so. */
    declined(id: string, reason: "draining" | "ollama_down"): void {
      const node = nodes.get(id);
      if (!node) return;
      if (reason === "draining") setIntent(node, "draining");
      else setOllama(node, false);
    },

    /** Bytes of an answer arrived from the node. */
    heard(id: string): void {
      const node = nodes.get(id);
      if (node) node.lastContactAt = clock.now();
    },

    /** A dial or probe of one route came through, or did not. */
    routeSeen(id: string, origin: string, tried: RouteTry, rttMs: number | null = null): void {
      const node = nodes.get(id);
      const known = node?.routes.find((route) => route.origin === origin);
      if (!node || !known) return;
      const reachable = tried === "connected";
      // Once too slow is what cables do, and slower than another address says nothing of who is at this one.
      const isSuspect = tried === "failed" || (tried === "slow" && known.reachable === false);
      if (isSuspect && node.proven.has(origin)) node.doubted.add(origin);
      // Every job says that its route works; most of the time that is known.
      if (known.reachable === reachable && rttMs === null) return;
      node.routes = node.routes.map((route) =>
        route.origin === origin ? { ...route, reachable, rttMs: rttMs ?? route.rttMs } : route,
      );
    },

    /** A health probe was answered. */
    healthy(id: string, health: NodeHealth): void {
      const node = nodes.get(id);
      if (!node || health.node_id !== id) return;
      const now = clock.now();
      if (!noteBoot(node, health.boot_id ?? null)) return;
      node.lastContactAt = now;
      node.loading = new Set((health.loading ?? []).map(modelKey));
      noteLoads(node, now);
      crowds.note(node);
      if (health.ollama) setOllama(node, health.ollama.ok);
      if (node.ollamaOk) setTrust(node, ejection.afterProbe(node.trust, now, node.reserved > 0));
      changed(node);
    },

    /** No probe on any address was answered for so long that the node's running requests are given up. */
    lose(id: string, reason: string): void {
      const node = nodes.get(id);
      if (!node) return;
      tell("lost", id, reason);
      setTrust(node, ejection.afterLoss(node.trust, reason, clock.now()));
      giveUpWork(node, new NodeLost(reason, false));
    },

    /** Forgets nodes that are gone and lets waiting requests look again, since time alone frees places too. */
    sweep(): void {
      const now = clock.now();
      for (const node of nodes.values()) {
        const silentMs = now - node.lastHeardAt;
        const liveness = livenessOf(silentMs, options.liveness);
        const offline = liveness === "expired" || liveness === "gone";
        if (offline && !node.saidOffline && node.intent !== "left") {
          tell("offline", node.id, `no heartbeat for ${Math.round(silentMs / 1000)} s`);
        }
        node.saidOffline = offline;
        if (liveness !== "gone" || node.reserved > 0) continue;
        remove(node, `no heartbeat for ${Math.round(silentMs / 1000)} s`);
      }
      changed();
    },

    /** Milliseconds a request for `model` holds its slot, as measured; null before the first of all requests. */
    serviceMs: (model: ModelKey): number | null => serviceTimes.of(model),

    /** The manifests that nodes have under the name of `model`. */
    digestsOf: digests.of,

    /** What is expected of requests for `model`, by what was measured; null before its first token anywhere. */
    expected: expectations.of,
  };
}
