/** Puts together what decides who may do what: keys, logins, limits and the rules from the configuration. */
import { hostname } from "node:os";
import type { Clock } from "../../shared/clock.ts";
import type { Logger } from "../../shared/log.ts";
import type { HubConfig } from "../config.ts";
import type { AccessRules } from "../policy/access.ts";
import type { CallerLimits } from "../policy/callers.ts";
import { createGuesses, type Guesses } from "./guesses.ts";
import { type Keys, openKeys } from "./keys.ts";
import { createLimits, type Limits } from "./limits.ts";
import { createSessions, type Sessions } from "./sessions.ts";

/** All that decides who may do what. */
export interface Gate {
  readonly keys: Pick<Keys, "closed" | "find">;
  readonly sessions: Sessions;
  readonly limits: Limits;
  readonly guesses: Guesses;
  /** What one address may take while no key is asked for. */
  readonly sourceLimits: CallerLimits;
  /** True where a node has to show a token to join. */
  readonly nodesClosed: () => boolean;
  readonly rules: Omit<AccessRules, "mode" | "nodesClosed">;
}

export interface GateOptions {
  readonly config: Pick<
    HubConfig,
    | "stateDir"
    | "apiKeys"
    | "allowedHosts"
    | "allowedOrigins"
    | "trustedNetworks"
    | "sourceRpm"
    | "sourceConcurrent"
    | "sourceTokensPerDay"
    | "sourceQueueShare"
  >;
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  readonly nodesClosed: () => boolean;
}

/** The gate. Throws an Error that names the keys file where that cannot be read. `stop` ends looking at it. */
export function openGate({ config, clock, log, nodesClosed }: GateOptions): Gate & { stop(): void } {
  const keys = openKeys({ folder: config.stateDir, environment: config.apiKeys, clock, log });
  const orNull = (limit: number) => (limit === 0 ? null : limit);
  return {
    keys,
    sessions: createSessions(keys, clock),
    limits: createLimits({ clock }),
    guesses: createGuesses({ clock, log }),
    sourceLimits: {
      rpm: orNull(config.sourceRpm),
      concurrent: orNull(config.sourceConcurrent),
      tokensPerDay: orNull(config.sourceTokensPerDay),
      queueShare: config.sourceQueueShare,
    },
    nodesClosed,
    rules: {
      ownName: hostname(),
      allowedHosts: config.allowedHosts,
      allowedOrigins: config.allowedOrigins,
      trustedNetworks: config.trustedNetworks,
    },
    stop: keys.stop,
  };
}

/** The rules as they are now; both sides may be closed while the hub runs. */
export function rulesNow({ keys, rules, nodesClosed }: Gate): AccessRules {
  return { ...rules, mode: keys.closed ? "closed" : "open", nodesClosed: nodesClosed() };
}

/** Whether callers and nodes have to show something, and what to do where they need not. */
export function describeAccess({ keys, nodesClosed }: Pick<Gate, "keys" | "nodesClosed">) {
  const mode = keys.closed ? ("closed" as const) : ("open" as const);
  const nodes = nodesClosed() ? ("closed" as const) : ("open" as const);
  return { mode, nodes, advice: adviceFor(mode, nodes) };
}

const CLOSE_CALLERS = "ollama-hub key add NAME --admin (or API_KEYS) asks callers for a key";
const CLOSE_NODES = "ollama-hub token create asks nodes for a token";

function adviceFor(mode: "open" | "closed", nodes: "open" | "closed"): string | null {
  if (mode === "open" && nodes === "open") {
    return `This hub is open to everybody in its network: ${CLOSE_CALLERS}, ${CLOSE_NODES}.`;
  }
  if (mode === "open") return `Everybody in this hub's network may use it: ${CLOSE_CALLERS}.`;
  return nodes === "open" ? `Every machine in this hub's network may join as a node: ${CLOSE_NODES}.` : null;
}
