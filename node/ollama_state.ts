/** What the node knows about its Ollama: the facts, and what follows from them. */
import { modelKey } from "../shared/model_name.ts";
import type { DiskModel, LoadedModel } from "../shared/ollama_models.ts";

export interface OllamaState {
  /** Whether it answered the last time anybody asked. */
  readonly ok: boolean;
  /** The last version seen. */
  readonly version: string | null;
  /** Models it can run now: empty while it does not answer. */
  readonly tags: readonly DiskModel[];
  /** Models in memory when last seen. */
  readonly ps: readonly LoadedModel[];
  /** Names of `tags`. */
  readonly models: readonly string[];
  /** Every name under which a model in memory can be asked for. */
  readonly loaded: readonly string[];
}

/** What is known of an Ollama that does not answer; its version is remembered. */
export const AWAY = { ok: false, tags: [], ps: [], models: [], loaded: [] } as const;

/** `state` after `facts` became known. */
export function learned(
  state: OllamaState,
  facts: Partial<Pick<OllamaState, "ok" | "version" | "tags" | "ps">>,
): OllamaState {
  const { ok, version, tags, ps } = { ...state, ...facts };
  return { ok, version, tags, ps, models: tags.map(({ name }) => name), loaded: namesInMemory(tags, ps) };
}

/** Aliases made with `ollama cp` share one runner, and `/api/ps` tells only the name under which it was loaded. */
function namesInMemory(tags: readonly DiskModel[], ps: readonly LoadedModel[]): string[] {
  const digests = new Set(ps.map(({ digest }) => digest).filter((digest) => digest !== ""));
  const aliases = tags.filter(({ digest }) => digests.has(digest));
  return [...new Set([...ps, ...aliases].map(({ name }) => name))];
}

/** Whether a request for `model` finds it in memory. */
export function isInMemory({ loaded }: OllamaState, model: string): boolean {
  const key = modelKey(model);
  return loaded.some((name) => modelKey(name) === key);
}

/**
 * Which models `entries` are, in an order of their own: Ollama sorts by times that change with every use, and what else
 * it tells of a model (when it is unloaded, its size) changes all the time without being news.
 */
export function identities(entries: readonly { readonly name: string; readonly digest: string }[]): string[] {
  return entries.map(({ name, digest }) => `${name} ${digest}`).sort();
}
