/** When the node sends its next heartbeat. Pure decisions; the loop is in heartbeat.ts. */
import type { NodeIntent } from "../shared/protocol.ts";

/** How the last heartbeat went. */
export type Standing =
  | { readonly kind: "joined" }
  /** The hub answered and said no: trying faster does not help. */
  | { readonly kind: "rejected"; readonly reason: string }
  /** No answer, or a hub that is not ready; `failures` in a row, at least 1. */
  | { readonly kind: "unreachable"; readonly failures: number };

/** Milliseconds; the last one repeats. */
const BACK_OFF_MS = [1000, 2000, 4000, 5000] as const;

/** Share of the interval by which a heartbeat may come earlier, never later: two intervals then stay below 60 s. */
const JITTER = 0.1;

/** Share by which a repetition may come later, so that a fleet does not fall upon a hub that has just restarted. */
const BACK_OFF_SPREAD = 0.2;

/** Milliseconds until the next heartbeat. `random` is from 0 up to but not including 1. */
export function delayUntilNext(standing: Standing, intervalMs: number, random: number): number {
  if (standing.kind === "unreachable") {
    const step = BACK_OFF_MS[Math.min(standing.failures, BACK_OFF_MS.length) - 1] ?? BACK_OFF_MS[0];
    // An interval shorter than the back-off is the operator's wish.
    return Math.min(step * (1 + random * BACK_OFF_SPREAD), intervalMs);
  }
  return intervalMs * (1 - random * JITTER);
}

/** What the hub has to hear at once when it changes. */
export interface Announced {
  /** Names with digests: a model that was pulled anew under its old name is another one. */
  readonly models: readonly string[];
  /** The same of models in memory: the hub prefers the node that need not load. */
  readonly loaded: readonly string[];
  readonly ollamaOk: boolean;
  readonly ollamaVersion: string | null;
  readonly intent: NodeIntent;
  /** The certificate it listens with: the hub takes the node for somebody else until it knows a new one. */
  readonly cert: string | null;
}

/** Why `now` is worth a heartbeat at once, `told` being what the hub knows (null: nothing yet); null when it is not. */
export function reasonToSendNow(told: Announced | null, now: Announced): string | null {
  if (told === null) return "not registered yet";
  if (told.intent !== now.intent) return `the node is ${now.intent}`;
  if (told.ollamaOk !== now.ollamaOk) return now.ollamaOk ? "Ollama appeared" : "Ollama went away";
  if (told.ollamaVersion !== now.ollamaVersion) return "Ollama's version changed";
  if (!sameNames(told.models, now.models)) return "the model list changed";
  if (!sameNames(told.loaded, now.loaded)) return "the models in memory changed";
  if (told.cert !== now.cert) return "the certificate was renewed";
  return null;
}

/** What the hub answered to a look at it between heartbeats; a hub of an older version has no boot id. */
export type HubSight = { readonly kind: "answered"; readonly bootId: string | null } | { readonly kind: "away" };

/** Why the node has to register again after a look at the hub, `joinedBootId` being where it registered; or null. */
export function reasonToRegisterAgain(joinedBootId: string | null, sight: HubSight): string | null {
  if (sight.kind === "away") return "the hub does not answer";
  return sight.bootId === joinedBootId ? null : "the hub restarted";
}

/** Ollama sorts its list by date, so the order may change without the list having changed. */
function sameNames(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  const names = new Set(one);
  return other.every((name) => names.has(name));
}
