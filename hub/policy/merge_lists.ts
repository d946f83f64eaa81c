/** Several nodes' lists of models, on disk and in memory, as the one list of a single Ollama. */
import { type ModelKey, modelKey, shortName } from "../../shared/model_name.ts";
import type { DiskModel, LoadedModel } from "../../shared/ollama_models.ts";

/** What one node has on disk. */
export interface NodeTags {
  readonly nodeId: string;
  readonly tags: readonly DiskModel[];
}

/** What one node has in memory. */
export interface NodePs {
  readonly nodeId: string;
  readonly ps: readonly LoadedModel[];
}

/** Copies of one model that are the same, on all nodes that have it. */
interface Version {
  readonly digest: string;
  readonly nodes: Set<string>;
  /** The copy that was changed last. */
  newest: { readonly nodeId: string; readonly model: DiskModel };
}

/** Ollama's order of keys. The schema that reads the lists puts its own first. */
const TAGS_KEYS = "name model remote_model remote_host modified_at size digest details capabilities".split(" ");
const PS_KEYS = "name model size digest details expires_at size_vram context_length".split(" ");

/**
 * The entries of `/api/tags`: every model once, as the version most nodes have, changed
 * when any of them was changed last; newest first.
 */
export function mergeTags(lists: readonly NodeTags[]): DiskModel[] {
  const entries = [...versionsByKey(lists).values()].flatMap(([main, ...others]) => {
    if (main === undefined) return [];
    const { model } = main.newest;
    const changed = others.map(({ newest }) => newest.model.modified_at).reduce(later, model.modified_at);
    return [inOrder({ ...model, modified_at: changed }, TAGS_KEYS)];
  });
  return entries.sort(
    (one, other) => compare(timeOf(other.modified_at), timeOf(one.modified_at)) || compare(one.name, other.name),
  );
}

/**
 * The entries of `/api/ps`: one per model and version, sizes summed so that the CLI's
 * percentage stays right; the one that stays in memory longest first.
 */
export function mergePs(lists: readonly NodePs[]): LoadedModel[] {
  const rows = new Map<string, LoadedModel>();
  for (const entry of lists.flatMap(({ ps }) => ps)) {
    const id = JSON.stringify([modelKey(entry.name), entry.digest]);
    const row = rows.get(id);
    rows.set(id, row === undefined ? entry : together(row, entry));
  }
  return [...rows.values()]
    .map((row) => inOrder(row, PS_KEYS))
    .sort((one, other) => compare(timeOf(other.expires_at), timeOf(one.expires_at)) || compare(one.name, other.name));
}

function together(row: LoadedModel, more: LoadedModel): LoadedModel {
  const contexts = [row.context_length, more.context_length].filter((length) => typeof length === "number");
  return {
    ...row,
    size: row.size + more.size,
    size_vram: row.size_vram + more.size_vram,
    expires_at: later(row.expires_at, more.expires_at),
    // A prompt that fits the shortest context fits wherever it is sent.
    ...(contexts.length > 0 ? { context_length: Math.min(...contexts) } : {}),
  };
}

/** A model as `GET /v1/models` shows it. */
export interface V1Model {
  readonly id: string;
  readonly object: "model";
  /** Seconds since 1970. */
  readonly created: number;
  readonly owned_by: string;
}

/** The answer of `GET /v1/models` for the entries of `mergeTags`. Ollama says null for none, which breaks clients. */
export function v1Models(tags: readonly DiskModel[]): { readonly object: "list"; readonly data: readonly V1Model[] } {
  return { object: "list", data: tags.map((model) => v1Entry(model, model.name)) };
}

/** The answer of `GET /v1/models/:model`, under the name as it was asked for; null where no node has it. */
export function v1Model(tags: readonly DiskModel[], requestedName: string): V1Model | null {
  const key = modelKey(requestedName);
  const model = tags.find(({ name }) => modelKey(name) === key);
  return model === undefined ? null : v1Entry(model, requestedName);
}

function v1Entry(model: DiskModel, name: string): V1Model {
  const created = Math.max(0, Math.floor(timeOf(model.modified_at) / 1000));
  return { id: name, object: "model", created, owned_by: namespaceOf(name) };
}

/** The part before the model, in the case it was written in: "me" of `hf.co/Me/x` would be another owner. */
function namespaceOf(name: string): string {
  const withoutScheme = name.trim().replace(/^.*?:\/\//, "");
  return withoutScheme.split("/").at(-2) || "library";
}

/** A model of which nodes have different versions. */
export interface DigestConflict {
  readonly model: string;
  /** The version most nodes have first; it is the one in `/api/tags`. */
  readonly digests: readonly { readonly digest: string; readonly nodes: readonly string[] }[];
}

/** Every model of which nodes have different versions, by name. */
export function digestConflicts(lists: readonly NodeTags[]): DigestConflict[] {
  return [...versionsByKey(lists)]
    .filter(([, versions]) => versions.length > 1)
    .map(([key, versions]) => ({
      model: shortName(key),
      digests: versions.map(({ digest, nodes }) => ({ digest, nodes: [...nodes].sort() })),
    }))
    .sort((one, other) => compare(one.model, other.model));
}

/** The version of a model that most nodes have, or null where none has the model. */
export function mainDigest(lists: readonly NodeTags[], key: ModelKey): string | null {
  return versionsByKey(lists).get(key)?.[0]?.digest ?? null;
}

/** Every model's versions: the one on most nodes first, then the newest, then the smallest digest. */
function versionsByKey(lists: readonly NodeTags[]): Map<ModelKey, Version[]> {
  const byKey = new Map<ModelKey, Map<string, Version>>();
  for (const { nodeId, tags } of lists) {
    for (const model of tags) {
      const key = modelKey(model.name);
      const versions = byKey.get(key) ?? new Map<string, Version>();
      byKey.set(key, versions);
      const copy = { nodeId, model };
      const version = versions.get(model.digest) ?? { digest: model.digest, nodes: new Set(), newest: copy };
      versions.set(model.digest, version);
      version.nodes.add(nodeId);
      const change = byTime(model.modified_at, version.newest.model.modified_at);
      // Which node is heard first must not change what clients see.
      if (change > 0 || (change === 0 && nodeId < version.newest.nodeId)) version.newest = copy;
    }
  }
  return new Map([...byKey].map(([key, versions]) => [key, [...versions.values()].sort(mainFirst)]));
}

function mainFirst(one: Version, other: Version): number {
  return (
    other.nodes.size - one.nodes.size ||
    byTime(other.newest.model.modified_at, one.newest.model.modified_at) ||
    compare(one.digest, other.digest)
  );
}

/** The lowest version that a client meets when it asks the fleet; "0.0.0", as of a development build, if none is known. */
export function lowestVersion(versions: readonly (string | null)[]): string {
  const known = versions.filter((version) => version !== null && /^v?\d/.test(version)) as string[];
  return known.length === 0 ? "0.0.0" : known.reduce((one, other) => (byVersion(other, one) < 0 ? other : one));
}

/** Dotted numbers; what follows a hyphen makes a version lower than the release (semver.org 11). */
function byVersion(one: string, other: string): number {
  const [coreOne = "", preOne] = splitVersion(one);
  const [coreOther = "", preOther] = splitVersion(other);
  const byCore = compareNumbered(coreOne, coreOther);
  if (byCore !== 0 || preOne === preOther) return byCore;
  if (preOne === undefined) return 1;
  return preOther === undefined ? -1 : compareNumbered(preOne, preOther);
}

function splitVersion(version: string): string[] {
  const text = version.replace(/^v/, "").replace(/\+.*$/, "");
  const hyphen = text.indexOf("-");
  return hyphen < 0 ? [text] : [text.slice(0, hyphen), text.slice(hyphen + 1)];
}

/** Texts with numbers in them, compared piece by piece: "rc10" is after "rc2". A missing number is 0. */
function compareNumbered(one: string, other: string): number {
  const [pieces, otherPieces] = [one.match(/\d+|[^\d.]+/g) ?? [], other.match(/\d+|[^\d.]+/g) ?? []];
  for (let index = 0; index < Math.max(pieces.length, otherPieces.length); index++) {
    const [piece, otherPiece] = [pieces[index] ?? "0", otherPieces[index] ?? "0"];
    const order = Number(piece) - Number(otherPiece);
    const result = Number.isNaN(order) ? compare(piece, otherPiece) : order;
    if (result !== 0) return result;
  }
  return 0;
}

function compare<T extends string | number>(one: T, other: T): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Milliseconds since 1970 of an RFC 3339 time in any zone; what is none was long ago. */
function timeOf(text: string): number {
  const time = Date.parse(text);
  return Number.isNaN(time) ? Number.NEGATIVE_INFINITY : time;
}

/** Earlier first; of two in the same millisecond the text decides, so that no order is left to chance. */
function byTime(one: string, other: string): number {
  return compare(timeOf(one), timeOf(other)) || compare(one, other);
}

function later(one: string, other: string): string {
  return byTime(one, other) >= 0 ? one : other;
}

/** `entry` with `keys` first, in their order. */
function inOrder<Entry extends object>(entry: Entry, keys: readonly string[]): Entry {
  const given = new Map(Object.entries(entry));
  const first = keys.filter((key) => given.has(key)).map((key) => [key, given.get(key)]);
  return Object.fromEntries([...first, ...given]) as Entry;
}
