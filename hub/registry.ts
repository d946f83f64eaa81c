/** The table of nodes: the only place where what is known of them changes. */
import type { Address } from "../shared/address.ts";
import type { IpPreference } from "../shared/address_order.ts";
import type { Clock } from "../shared/clock.ts";
import { ANY_MODEL, type ModelKey, modelKey } from "../shared/model_name.ts";
import type { DiskModel, LoadedModel } from "../shared/ollama_models.ts";
import { DEFAULT_SLOTS, type Heartbeat, type NodeHealth } from "../shared/protocol.ts";
import { createCrowds } from "./fleet/crowd.ts";
import { createExpectations } from "./fleet/expectations.ts";
import type { FleetEvent } from "./fleet/fleet_event.ts";
import { type HubPlace, takeHeartbeat } from "./fleet/heartbeat_intake.ts";
import { takeInventory } from "./fleet/inventory.ts";
import { createKnownDigests } from "./fleet/known_digests.ts";
import { createLessons } from "./fleet/lessons.ts";
import { type Entry, isProven, NodeLost, type NodeRecord, newEntry } from "./fleet/node_record.ts";
import { createNodeRoutes } from "./fleet/node_routes.ts";
import { createStanding } from "./fleet/node_standing.ts";
import { isOther, placeFactsOf } from "./fleet/place_facts.ts";
import { NO_RESERVATION, noteLoads, type Reservation, takeSlot } from "./fleet/reservation.ts";
import { createServiceTimes } from "./fleet/service_times.ts";
import type { Crowd } from "./policy/crowd.ts";
import * as ejection from "./policy/ejection.ts";
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

  const standing = createStanding({ clock, tell, changed, noted: crowds.note });
  const { setTrust, setSlots, setOllama, setIntent, noteBoot, isReplaced, giveUpWork } = standing;
  const get = (id: string): Entry | undefined => nodes.get(id);

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

    ...createNodeRoutes({ get, ipPreference, changed }),
    ...createLessons({
      get,
      clock,
      limits: options.ejection,
      serviceTimes,
      standing,
      changed,
      onLost: (id, reason) => tell("lost", id, reason),
    }),

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

    /** Bytes of an answer arrived from the node. */
    heard(id: string): void {
      const node = nodes.get(id);
      if (node) node.lastContactAt = clock.now();
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
