/** Who a request is from, as far as sharing and limits go: a key, one of its users, or an address. */

/** What a caller may take; null where nothing is said. */
export interface CallerLimits {
  /** Requests a minute. */
  readonly rpm: number | null;
  /** Requests at the same time. */
  readonly concurrent: number | null;
  readonly tokensPerDay: number | null;
  /** Part of the waiting room, 0 to 1. */
  readonly queueShare: number | null;
}

/** Nothing is said. */
export const NO_LIMITS: CallerLimits = { rpm: null, concurrent: null, tokensPerDay: null, queueShare: null };

export interface Caller {
  /** Whose limits count: a key's id, or the address or network it comes from. */
  readonly id: string;
  /** The key it showed; null where none is asked for. */
  readonly key: { readonly id: string; readonly name: string } | null;
  /** Who takes turns within its turns: the same, one user of a key whose word is taken for it, one address of a network. */
  readonly turn: string;
  /** Turns for one of a usual caller. */
  readonly weight: number;
  readonly limits: CallerLimits;
  /** Patterns of the models it may use; null for all. */
  readonly models: readonly string[] | null;
  /** The conversation it says this belongs to, where it is believed; else null. */
  readonly chat: string | null;
}

/** Whoever is not told from others: requests of the hub's own, and of tests. */
export const ANYBODY: Caller = {
  id: "",
  key: null,
  turn: "",
  weight: 1,
  limits: NO_LIMITS,
  models: null,
  chat: null,
};

/** True when one of `patterns` allows the model `name`; both in full (`llama3:latest`), `*` stands for anything. */
export function allowsModel(patterns: readonly string[] | null, name: string): boolean {
  return patterns === null || patterns.some((pattern) => matches(name.toLowerCase(), pattern.toLowerCase()));
}

/** Without a pattern of the RegExp kind, which some names make slow. */
function matches(name: string, pattern: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return name === pattern;
  if (!name.startsWith(first)) return false;
  const last = rest.pop() ?? "";
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
