/** Model names compared as Ollama compares them: defaults filled in, case ignored. */

/** A canonical model name: two names with the same key are the same model. */
export type ModelKey = string;

/** The key of no model: stands for "any" where a request names none. */
export const ANY_MODEL: ModelKey = "";

const DEFAULT_HOST = "registry.ollama.ai";
const DEFAULT_NAMESPACE = "library";
const DEFAULT_TAG = "latest";

/**
 * The key under which `name` is compared: `[scheme://][host/][namespace/]model[:tag]` with Ollama's defaults filled in,
 * in lower case, without the marker `:local`. A colon starts the tag only after the last slash.
 */
export function modelKey(name: string): ModelKey {
  const known = keys.get(name);
  if (known !== undefined) return known;
  const key = fullName(name).toLowerCase();
  if (name.length > LONGEST_KEPT) return key;
  // Strangers may ask for any name.
  if (keys.size >= MOST_KEPT) keys.clear();
  const same = keys.get(key) ?? key;
  keys.set(key, same);
  keys.set(name, same);
  return same;
}

/**
 * Keys by the names they were made of, and by themselves: every node and request then has the very same string for a model,
 * and looking it up in a set of each of a thousand nodes compares no letters (a tenth of the time).
 */
const keys = new Map<string, ModelKey>();
const MOST_KEPT = 10_000;
const LONGEST_KEPT = 200;

/** True when both names are the same model and written in the same case: `/api/embeddings` finds no other. */
export function isSameSpelling(name: string, other: string): boolean {
  return fullName(name) === fullName(other);
}

/** `name` with Ollama's defaults filled in, in the case it was written. */
export function fullName(name: string): string {
  let rest = name.trim();
  const scheme = rest.indexOf("://");
  if (scheme >= 0) rest = rest.slice(scheme + 3);
  if (/:local$/i.test(rest)) rest = rest.slice(0, -":local".length);
  const colon = rest.indexOf(":", rest.lastIndexOf("/") + 1);
  const tag = colon >= 0 ? rest.slice(colon + 1) : DEFAULT_TAG;
  const parts = (colon >= 0 ? rest.slice(0, colon) : rest).split("/");
  const model = parts.pop() ?? "";
  const namespace = parts.pop() ?? DEFAULT_NAMESPACE;
  const host = parts.length > 0 ? parts.join("/") : DEFAULT_HOST;
  return `${host}/${namespace}/${model}:${tag}`;
}

/** The shortest form that names the same model, always with its tag, as `ollama list` shows it. */
export function shortName(key: ModelKey): string {
  const home = `${DEFAULT_HOST}/`;
  const withoutHost = key.startsWith(home) ? key.slice(home.length) : key;
  const library = `${DEFAULT_NAMESPACE}/`;
  return withoutHost !== key && withoutHost.startsWith(library) ? withoutHost.slice(library.length) : withoutHost;
}

/** One part of a name: begins with a letter, digit or `_`. */
const PART = /^[a-z0-9_][a-z0-9_.-]{0,79}$/i;
const NAMESPACE = /^[a-z0-9_][a-z0-9_-]{0,79}$/i;
const HOST = /^[a-z0-9_][a-z0-9_.:-]{0,349}$/i;

/** False for what Ollama refuses as "invalid model name", and for "". */
export function isModelName(name: string): boolean {
  // Ollama wants one or the other.
  if (/cloud:local\s*$/i.test(name)) return false;
  const key = modelKey(name);
  const colon = key.lastIndexOf(":");
  const [model = "", namespace = "", host = "", ...more] = key.slice(0, colon).split("/").reverse();
  const tag = key.slice(colon + 1);
  return more.length === 0 && PART.test(model) && PART.test(tag) && NAMESPACE.test(namespace) && HOST.test(host);
}

/** True for a name that stands for a model at a cloud service: its tag is `cloud` or ends in `-cloud`. */
export function isCloudName(name: string): boolean {
  return /:([^/]*-)?cloud$/i.test(name.trim());
}
