/** A node as the hub knows it: the record everybody may read, and how it begins. */
import { type Address, canBeDialled, type Family, originOf, parseAddress } from "../../shared/address.ts";
import type { ModelKey } from "../../shared/model_name.ts";
import type { DiskModel, LoadedModel } from "../../shared/ollama_models.ts";
import { DEFAULT_SLOTS, type Gpu } from "../../shared/protocol.ts";
import { newcomer } from "../policy/ejection.ts";
import type { NodeFacts } from "../policy/eligibility.ts";
import { asReported, type LearnedSlots } from "../policy/learned_slots.ts";
import { UNKNOWN_PACE } from "../policy/pace.ts";

/** One way to a node and what is known of it. */
export interface Route {
  readonly family: Family;
  readonly address: string;
  /** `http://address:port`. */
  readonly origin: string;
  /** The certificate it has to show, where it speaks https. */
  readonly cert?: string | null;
  /** Whether it came through last time; null before the first try. */
  readonly reachable: boolean | null;
  /** Milliseconds of the last probe's round trip. */
  readonly rttMs: number | null;
}

/** How a try of a route went: whether it was refused or broke, took too long, or only longer than another route. */
export type RouteTry = "connected" | "failed" | "slow" | "overtaken";

/** A node as the rest of the hub may read it. Only the registry changes it. */
export interface NodeRecord extends NodeFacts {
  readonly port: number;
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  /** Every address that can be dialled, IPv6 first. */
  readonly routes: readonly Route[];
  /** Names as the node reported them. */
  readonly modelNames: readonly string[];
  readonly loadedNames: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly load: { readonly cpu: number; readonly memory: number } | null;
  readonly gpu: readonly Gpu[];
  readonly lastSeen: Date;
  readonly bootId: string | null;
  /** The key that signs its heartbeats; null for an older agent. */
  readonly publicKey: string | null;
  /** Origins of its routes at which it has proven to be; one without a key cannot, and need not. */
  readonly proven: ReadonlySet<string>;
  /** Those of them at which a try has failed since: to be proven again before the next use. */
  readonly doubted: ReadonlySet<string>;
  /** When somebody else spoke in its name last and was refused, and how, also in monotonic ms; null for never. */
  readonly impostor: { readonly at: string; readonly detail: string; readonly heardAt: number } | null;
  readonly agentVersion: string | null;
  readonly ollamaVersion: string | null;
  /** The entries of its Ollama's own lists: models on disk, models in memory. */
  readonly tags: readonly DiskModel[];
  readonly ps: readonly LoadedModel[];
  /** What its answers told about how many requests it works on at once. */
  readonly learned: LearnedSlots;
  /** The request of this hub's that brought a model's load about, by model, until its first byte or its end. */
  readonly loaders: ReadonlyMap<ModelKey, string>;
  /** Requests there that take no slot and last, such as a pull: while there are any it is probed as often as with work. */
  readonly watched: number;
  /** Monotonic ms of the last sign of life while it was being probed. */
  readonly lastContactAt: number;
  /** Aborted, and replaced, when what the node was doing is lost; its reason is a NodeLost. */
  readonly lost: AbortSignal;
}

/** The reason of `NodeRecord.lost`. */
export class NodeLost extends Error {
  override readonly name = "NodeLost";
  constructor(
    message: string,
    /** It is there again, as another process that knows nothing of the work. */
    readonly restarted: boolean,
  ) {
    super(message);
  }
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** The same record where it may be changed: in the registry only. */
export type Entry = Mutable<NodeRecord> & {
  disbelieved: Map<ModelKey, number>;
  unfit: Map<string, number>;
  proven: Set<string>;
  doubted: Set<string>;
  starting: Map<ModelKey, number>;
  loadingSince: Map<ModelKey, number>;
  loaders: Map<ModelKey, string>;
  /** The request that has a model in memory loaded anew with other options, by model, until its first byte or its end. */
  reloading: Map<ModelKey, string>;
  /** Where its last heartbeat came from, as far as that could be seen. */
  source: Address | null;
  seq: number | null;
  /** What it had in memory by its last heartbeat; `loaded` has what answers have shown since as well. */
  reported: ReadonlySet<ModelKey>;
  /** Whether it was told that the node is offline. */
  saidOffline: boolean;
  /** Boots that were replaced by a newer one: a heartbeat of theirs was late, or comes from a second agent. */
  formerBoots: readonly string[];
  losing: AbortController;
};

/** The record of node `id`, first heard of at monotonic `now`, wall time `seen`. `pick` is its place in the rotation. */
export function newEntry(id: string, now: number, seen: Date, pick: number): Entry {
  const losing = new AbortController();
  return {
    id,
    lastHeardAt: now,
    lastContactAt: now,
    lastSeen: seen,
    trust: newcomer(now),
    intent: "serving",
    ollamaOk: true,
    conditionSince: now,
    source: null,
    dialable: false,
    unproven: false,
    proving: false,
    publicKey: null,
    proven: new Set(),
    doubted: new Set(),
    models: new Set(),
    loaded: new Set(),
    knowsLoaded: false,
    loading: new Set(),
    starting: new Map(),
    loadingSince: new Map(),
    loaders: new Map(),
    reloading: new Map(),
    digests: new Map(),
    disbelieved: new Map(),
    unfit: new Map(),
    restingUntil: 0,
    reserved: 0,
    watched: 0,
    slots: DEFAULT_SLOTS,
    learned: asReported(DEFAULT_SLOTS, now),
    pace: UNKNOWN_PACE,
    sizes: new Map(),
    cpu: 0,
    lastPicked: pick,
    joined: pick,
    port: 0,
    ipv4: null,
    ipv6: null,
    routes: [],
    modelNames: [],
    loadedNames: [],
    tags: [],
    ps: [],
    remote: new Set(),
    metadata: {},
    load: null,
    gpu: [],
    bootId: null,
    impostor: null,
    agentVersion: null,
    ollamaVersion: null,
    capabilities: [],
    seq: null,
    reported: new Set(),
    saidOffline: false,
    formerBoots: [],
    losing,
    lost: losing.signal,
  };
}

/** True when the node may be given work at `origin`. */
export function isProven({ publicKey, proven }: Pick<NodeRecord, "publicKey" | "proven">, origin: string): boolean {
  return publicKey === null || proven.has(origin);
}

/** Routes to those `addresses` that may be dialled, in their order; what is known of one in `before` is kept. */
export function routesTo(
  addresses: readonly (string | null)[],
  port: number,
  before: readonly Route[],
  mayDial: (address: Address) => boolean = canBeDialled,
  cert: string | null = null,
): Route[] {
  return addresses
    .map((text) => (text === null ? null : parseAddress(text)))
    .filter((address): address is Address => address !== null && mayDial(address))
    .map((address) => {
      const plain = originOf(address, port);
      const origin = cert === null ? plain : plain.replace("http:", "https:");
      const known = before.find((route) => route.origin === origin && (route.cert ?? null) === cert);
      const begin = { family: address.family, address: address.text, origin, reachable: null, rttMs: null };
      return known ?? (cert === null ? begin : { ...begin, cert });
    });
}
