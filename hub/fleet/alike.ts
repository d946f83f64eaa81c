/** What many nodes tell alike is kept once: of ten thousand nodes with twenty models each that is most of the memory. */
import { type ModelKey, modelKey } from "../../shared/model_name.ts";
import type { DiskModel } from "../../shared/ollama_models.ts";

/** Names as they were told, and their keys. */
export interface Names {
  readonly names: readonly string[];
  readonly keys: ReadonlySet<ModelKey>;
}

/** What follows from a list of models on disk. */
export interface OnDisk {
  /** Those that run at a cloud service. */
  readonly remote: ReadonlySet<ModelKey>;
  /** Bytes. */
  readonly sizes: ReadonlyMap<ModelKey, number>;
  readonly digests: ReadonlyMap<ModelKey, string>;
}

/** Things of one kind that are remembered, and letters of what one is remembered by. */
const MOST = 2_000;
const LONGEST = 16_000;

/** Remembers what `make` makes by a text, so that the same text brings the same thing. */
function once<Thing>(most = MOST) {
  const made = new Map<string, Thing>();
  return (text: string, make: () => Thing): Thing => {
    const known = made.get(text);
    if (known !== undefined) return known;
    const thing = make();
    if (text.length > LONGEST) return thing;
    // Strangers may tell anything: it is forgotten rather than kept for ever.
    if (made.size >= most) made.clear();
    made.set(text, thing);
    return thing;
  };
}

const texts = once<string>(5 * MOST);
const names = once<Names>();
const details = once<unknown>();
const onDisk = once<OnDisk>();

/** `list`, and the keys of the models in it. */
export function namesIn(list: readonly string[]): Names {
  return names(JSON.stringify(list), () => ({
    names: list.map((name) => texts(name, () => name)),
    keys: new Set(list.map(modelKey)),
  }));
}

/** `tags` with those of their parts that are alike on all machines: when it was pulled is not. */
export function alikeTags(tags: readonly DiskModel[]): DiskModel[] {
  return tags.map((tag) => {
    const alike: DiskModel = {
      ...tag,
      name: texts(tag.name, () => tag.name),
      digest: texts(tag.digest, () => tag.digest),
    };
    if (tag.details !== undefined) alike.details = details(JSON.stringify(tag.details), () => tag.details);
    return alike;
  });
}

/** What follows from `tags`. */
export function onDiskOf(tags: readonly DiskModel[]): OnDisk {
  const told = tags.map(({ name, digest, size, remote_host }) => [name, digest, size, Boolean(remote_host)]);
  return onDisk(JSON.stringify(told), () => ({
    remote: new Set(tags.filter(({ remote_host }) => remote_host).map(({ name }) => modelKey(name))),
    sizes: new Map(tags.map(({ name, size }) => [modelKey(name), size])),
    digests: new Map(tags.map(({ name, digest }) => [modelKey(name), digest])),
  }));
}
