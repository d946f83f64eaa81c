/** What people see of each model on a node: what Ollama's two lists, of models on disk and in memory, say of it. */
import { type ModelKey, modelKey } from "../../shared/model_name.ts";
import type { LoadedModel } from "../../shared/ollama_models.ts";
import type { DiskEntry } from "./alike.ts";
import type { NodeRecord } from "./node_record.ts";

/** One model on one node. What an older agent does not tell is null. */
export interface ModelDetails {
  /** As the node wrote it. */
  readonly name: string;
  /** Bytes on disk. */
  readonly size: number | null;
  /** The first 12 digits, as `ollama list` shows them. */
  readonly digest: string | null;
  /** Such as "8.0B". */
  readonly parameter_size: string | null;
  /** Such as "Q4_K_M". */
  readonly quantization: string | null;
  readonly loaded: boolean;
  /** Bytes on graphics processors; null where it is not in memory. */
  readonly size_vram: number | null;
  /** When it leaves the memory, RFC 3339 in the zone of the node. */
  readonly expires_at: string | null;
}

type Facts = Pick<NodeRecord, "modelNames" | "disk" | "ps" | "loaded">;

const LONGEST_TEXT = 64;
const DIGITS_SHOWN = 12;

interface Known extends Facts {
  readonly details: readonly ModelDetails[];
}

/** The details by node: they change when the node says so, and are asked for every second. */
const known = new WeakMap<Facts, Known>();

/** The models of `node`, in the order of its names. */
export function modelDetails(node: Facts): readonly ModelDetails[] {
  const { modelNames, disk, ps, loaded } = node;
  const last = known.get(node);
  if (last && last.modelNames === modelNames && last.disk === disk && last.ps === ps && last.loaded === loaded) {
    return last.details;
  }
  const entryOf = entriesByName(node);
  const inMemory = runningByKey(node);
  const details = modelNames.map((name, place) =>
    read(name, entryOf(name, place), inMemory.get(modelKey(name)) ?? null),
  );
  known.set(node, { modelNames, disk, ps, loaded, details });
  return details;
}

/** Lists of which the text is kept at a time. */
const MOST_LISTS = 500;

/** The JSON of one list's details while none of its models is in memory. */
interface IdleList {
  readonly modelNames: readonly string[];
  readonly text: string;
  /** Where each model stands in the list, and where its part of the text ends. */
  readonly places: ReadonlyMap<ModelKey, number>;
  readonly ends: readonly number[];
}

/** How the JSON of one model ends: what of it is not alike on all nodes. */
const endOf = (end: Pick<ModelDetails, "loaded" | "size_vram" | "expires_at">) => JSON.stringify(end).slice(1);
const IDLE = endOf({ loaded: false, size_vram: null, expires_at: null });

/** Writes the JSON of `modelDetails` for many nodes: what is not in memory is alike on most, and is worked out once. */
export function detailsWriter(): (node: Facts) => string {
  const lists = new Map<Facts["disk"], IdleList>();

  function idleListOf({ modelNames, disk }: Facts): IdleList {
    const known = lists.get(disk);
    if (known?.modelNames === modelNames) return known;
    const entryOf = entriesByName({ disk });
    const places = new Map<ModelKey, number>();
    const ends: number[] = [];
    let text = "[";
    for (const [place, name] of modelNames.entries()) {
      places.set(modelKey(name), place);
      text += `${place === 0 ? "" : ","}${JSON.stringify(read(name, entryOf(name, place), null))}`;
      ends.push(text.length);
    }
    const list = { modelNames, text: `${text}]`, places, ends };
    if (lists.size < MOST_LISTS && places.size === ends.length) lists.set(disk, list);
    return list;
  }

  return (node) => {
    const { text, places, ends } = idleListOf(node);
    // Two names of one model are in memory together.
    if (places.size < ends.length) return JSON.stringify(modelDetails(node));
    const inMemory = runningByKey(node);
    const loaded = Array.from(inMemory.keys(), (key) => places.get(key) ?? -1).filter((place) => place >= 0);
    let written = "";
    let from = 0;
    for (const place of loaded.sort((one, other) => one - other)) {
      const end = ends[place] ?? 0;
      const { size_vram, expires_at } = inMemory.get(modelKey(node.modelNames[place] ?? "")) ?? {};
      written += text.slice(from, end - IDLE.length);
      written += endOf({ loaded: true, size_vram: size_vram ?? null, expires_at: expires_at ?? null });
      from = end;
    }
    return written + text.slice(from);
  };
}

/** Finds an entry by its name and the place of that: mostly it stands there. */
function entriesByName({ disk }: Pick<Facts, "disk">): (name: string, place: number) => DiskEntry | undefined {
  let byName: ReadonlyMap<string, DiskEntry> | null = null;
  return (name, place) => {
    if (disk[place]?.name === name) return disk[place];
    byName ??= new Map(disk.map((entry) => [entry.name, entry]));
    return byName.get(name);
  };
}

/** What is in memory, by key, with what its list says of it. */
function runningByKey({ ps, loaded }: Facts): ReadonlyMap<ModelKey, Partial<LoadedModel>> {
  const running = new Map<ModelKey, Partial<LoadedModel>>();
  for (const key of loaded) running.set(key, {});
  for (const model of ps) if (running.has(modelKey(model.name))) running.set(modelKey(model.name), model);
  return running;
}

function read(name: string, entry: DiskEntry | undefined, running: Partial<LoadedModel> | null): ModelDetails {
  return {
    name,
    size: entry?.size ?? null,
    digest: entry ? shownDigest(entry) : null,
    parameter_size: textIn(entry?.details, "parameter_size"),
    quantization: textIn(entry?.details, "quantization_level"),
    loaded: running !== null,
    size_vram: running?.size_vram ?? null,
    expires_at: running?.expires_at ?? null,
  };
}

function shownDigest({ digest }: DiskEntry): string | null {
  const shown = digest.replace(/^sha256:/, "").slice(0, DIGITS_SHOWN);
  return /^[0-9a-f]{12}$/i.test(shown) ? shown : null;
}

/** A text under `name` in what a node sent; null for anything else. */
function textIn(object: unknown, name: string): string | null {
  if (typeof object !== "object" || object === null || !(name in object)) return null;
  const value: unknown = Reflect.get(object, name);
  return typeof value === "string" && value !== "" && value.length <= LONGEST_TEXT ? value : null;
}
