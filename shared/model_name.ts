/** Model names compared as Ollama compares them: defaults filled in, case ignored. */

/** A canonical model name: two names with the same key are the same model. */
export type ModelKey = string;

const DEFAULT_HOST = "registry.ollama.ai";
const DEFAULT_NAMESPACE = "library";
const DEFAULT_TAG = "latest";

/**
 * The key under which `name` is compared: `[scheme://][host/][namespace/]model[:tag]` with Ollama's defaults filled in,
 * in lower case, without the marker `:local`. A colon starts the tag only after the last slash.
 */
export function modelKey(name: string): ModelKey {
  let rest = name.trim();
  const scheme = rest.indexOf("://");
  if (scheme >= 0) rest = rest.slice(scheme + 3);
  rest = rest.toLowerCase();
  if (rest.endsWith(":local")) rest = rest.slice(0, -":local".length);
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
