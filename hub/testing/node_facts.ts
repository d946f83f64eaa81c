/** Nodes as the policy sees them, for tests: one that may serve, and what a test changes of it. */
import { modelKey } from "../../shared/model_name.ts";
import { type Ejected, newcomer, type Trial } from "../policy/ejection.ts";
import type { Needs, NodeFacts, Placement } from "../policy/eligibility.ts";
import { UNKNOWN_PACE } from "../policy/pace.ts";

/** The user's own numbers, in milliseconds. */
export const LIMITS = { staleMs: 60_000, expiredMs: 90_000, goneMs: 180_000 };

export const MODEL = modelKey("llama3");

/** Monotonic "now" of these tests; facts below are relative to it. */
export const NOW = 1_000_000;

/** A node that was just heard, idle, that lists MODEL and may serve it, changed by `changes`. */
export function facts(changes: Partial<NodeFacts> = {}): NodeFacts {
  return {
    id: "node",
    lastHeardAt: NOW,
    trust: newcomer(0),
    intent: "serving",
    ollamaOk: true,
    conditionSince: 0,
    dialable: true,
    unproven: false,
    proving: false,
    models: new Set([MODEL]),
    loaded: new Set(),
    remote: new Set(),
    knowsLoaded: false,
    loading: new Set(),
    starting: new Map(),
    loadingSince: new Map(),
    digests: new Map(),
    capabilities: ["execute", "ollama"],
    disbelieved: new Map(),
    unfit: new Map(),
    restingUntil: 0,
    reserved: 0,
    slots: 4,
    pace: UNKNOWN_PACE,
    sizes: new Map(),
    cpu: 0,
    lastPicked: 0,
    joined: 0,
    ...changes,
  };
}

const NEEDS: Needs = { capability: "execute", nodeId: null, slot: true };

/** A request for MODEL that failed at the nodes `tried` before. */
export function placement(...tried: string[]): Placement {
  return { model: MODEL, tried: new Set(tried), needs: NEEDS, digest: null, waiting: 0 };
}

/** Ejected until `until`. */
export function ejected(until = NOW + 30_000): Ejected {
  return { kind: "ejected", failures: 3, ejections: 1, until, reason: "3 failures in a row" };
}

export const onTrial: Trial = {
  kind: "trial",
  since: NOW,
  failures: 0,
  ejections: 1,
  successes: 0,
  suspect: { kind: "nobody" },
};
