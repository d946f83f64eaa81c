/** What many nodes tell alike is kept once: of ten thousand nodes with twenty models each that is most of the memory. */
import { type ModelKey, modelKey } from "../../shared/model_name.ts";
import type { DiskModel } from "../../shared/ollama_models.ts";

/** Names as they were told, and their keys. */
export interface Names {
  readonly names: readonly string[];
  readonly keys: ReadonlySet<ModelKey>;
}

/** An entry of a list of models on disk, but for when it was pulled. */
export type DiskEntry = Readonly<Pick<DiskModel, "name" | "digest" | "size" | "remote_host"> & Record<string, unknown>>;

/** A list of models on disk, in two: its entries, and when each was pulled. */
export interface Disk {
  readonly disk: readonly DiskEntry[];
  readonly modifiedAt: readonly string[];
}

/** A list of models on disk but for when they were pulled, and what follows from it. */
export interface OnDisk {
  readonly disk: readonly DiskEntry[];
  /** Those that run at a cloud service. */
  readonly remote: ReadonlySet<ModelKey>;
  /** Bytes. */
  readonly sizes: ReadonlyMap<ModelKey, number>;
  readonly digests: ReadonlyMap<ModelKey, string>;
}

/** Letters by which things of one kind are remembered, and by which one of them is. */
const MOST_LETTERS = 4_000_000;
const LONGEST = 16_000;

/** Remembers what `make` makes by a text, so that the same text brings the same thing. */
function once<Thing>() {
  const made = new Map<string, Thing>();
  let letters = 0;
  return (text: string, make: () => Thing): Thing => {
    const known = made.get(text);
    if (known !== undefined) return known;
    const thing = make();
    if (text.length > LONGEST) return thing;
    // Strangers may tell anything: it is forgotten rather than kept for ever.
    letters += text.length;
    if (letters > MOST_LETTERS) {
      made.clear();
      letters = text.length;
    }
    made.set(text, thing);
    return thing;
  };
}

const texts = once<string>();
const names = once<Names>();
const lists = once<readonly string[]>();
const entries = once<DiskEntry>();
const onDisk = once<OnDisk>();

/** `list`, and the keys of the models in it. */
export function namesIn(list: readonly string[]): Names {
  return names(JSON.stringify(list), () => ({
    names: list.map((name) => texts(name, () => name)),
    keys: new Set(list.map(modelKey)),
  }));
}

/** `list`, the very same for all that tell it. */
export function alikeTexts(list: readonly string[]): readonly string[] {
  return lists(JSON.stringify(list), () => list);
}

/** `tags` and what follows from them: all but when each was pulled is one thing for all that tell the same. */
export function alikeTags(tags: readonly DiskModel[]): OnDisk & Disk {
  const told = tags.map(({ modified_at: _, ...entry }): DiskEntry => entry);
  const alike = onDisk(JSON.stringify(told), () => ({
    disk: told.map((entry) => entries(JSON.stringify(entry), () => entry)),
    remote: new Set(told.filter(({ remote_host }) => remote_host).map(({ name }) => modelKey(name))),
    sizes: new Map(told.map(({ name, size }) => [modelKey(name), size])),
    digests: new Map(told.map(({ name, digest }) => [modelKey(name), digest])),
  }));
  return { ...alike, modifiedAt: tags.map(({ modified_at }) => modified_at) };
}

/** The entries of a node's list, as it told them; only those for which `isWanted`. */
export function tagsOf({ disk, modifiedAt }: Disk, isWanted: (entry: DiskEntry) => boolean = () => true): DiskModel[] {
  const tags: DiskModel[] = [];
  for (const [index, entry] of disk.entries()) {
    if (isWanted(entry)) tags.push({ ...entry, modified_at: modifiedAt[index] ?? "" });
  }
  return tags;
}

/** True when `tags` say what is kept already: most heartbeats do, and comparing costs less than keeping. */
export function isSameDisk(tags: readonly DiskModel[], { disk, modifiedAt }: Disk): boolean {
  return (
    tags.length === disk.length &&
    tags.every((tag, index) => tag.modified_at === modifiedAt[index] && isSameEntry(tag, disk[index] ?? {}))
  );
}

function isSameEntry(tag: Readonly<Record<string, unknown>>, entry: Readonly<Record<string, unknown>>): boolean {
  let surplus = 0;
  for (const key in entry) {
    surplus--;
    if (tag[key] !== entry[key] && !Bun.deepEquals(tag[key], entry[key])) return false;
  }
  for (const key in tag) if (key !== "modified_at") surplus++;
  return surplus === 0;
}
