/** What an attempt's outcome means: try another node, hand the answer on, or stop; and whether it counts against the node. */
import type { DeclineReason } from "../../shared/protocol.ts";

/** How an attempt ended without an answer worth handing on. */
export type FailureKind =
  | "unreachable"
  | "connection_lost"
  | "node_lost"
  | "node_restarted"
  | "first_byte_timeout"
  | "stalled"
  | "truncated"
  | "protocol_error"
  | "model_missing"
  | "route_missing"
  | "busy"
  | "declined"
  | "out_of_memory"
  | "runner_crashed"
  | "server_error"
  | "deadline"
  | "hub_stopping"
  | "hub_exhausted";

export interface Rule {
  /** Adds to the node's consecutive failures. */
  readonly counts: boolean;
  /** Somebody else may be where the node was: it has to prove its address again. */
  readonly doubts?: true;
  /** The request may be placed on another node. */
  readonly failsOver: boolean;
  /** The node may be asked again by the same request, once it has room. */
  readonly sameNodeLater?: true;
  /** Whether the next try has to fit the retry budget: always, or not after the request's first failure of the group. */
  readonly budget?: "needed" | "first free";
  /** How many failures of one group a request survives; a request that kills nodes must not visit them all. */
  readonly group?: { readonly name: "loss" | "server error" | "crash"; readonly limit: number };
}

/** The outcome table, as far as it is about failures. */
export const RULES: Readonly<Record<FailureKind, Rule>> = {
  unreachable: { counts: true, failsOver: true },
  connection_lost: {
    counts: true,
    doubts: true,
    failsOver: true,
    budget: "first free",
    group: { name: "loss", limit: 2 },
  },
  node_lost: { counts: true, doubts: true, failsOver: true, budget: "first free", group: { name: "loss", limit: 2 } },
  // The process that lost it is gone; the new one did nothing wrong.
  node_restarted: { counts: false, failsOver: true, budget: "first free", group: { name: "loss", limit: 2 } },
  first_byte_timeout: { counts: true, failsOver: true, budget: "needed", group: { name: "loss", limit: 2 } },
  stalled: { counts: true, failsOver: true, budget: "needed" },
  truncated: { counts: true, failsOver: true, budget: "needed" },
  protocol_error: { counts: true, doubts: true, failsOver: true, budget: "needed" },
  model_missing: { counts: false, failsOver: true },
  // An Ollama, or an agent, from before this route.
  route_missing: { counts: false, failsOver: true },
  busy: { counts: false, failsOver: true, sameNodeLater: true },
  // It is being restarted, or its Ollama is.
  declined: { counts: false, failsOver: true, sameNodeLater: true },
  out_of_memory: { counts: false, failsOver: true },
  runner_crashed: { counts: true, failsOver: true, budget: "needed", group: { name: "crash", limit: 2 } },
  server_error: { counts: true, failsOver: true, budget: "needed", group: { name: "server error", limit: 2 } },
  deadline: { counts: false, failsOver: false },
  hub_stopping: { counts: false, failsOver: false },
  hub_exhausted: { counts: false, failsOver: false },
};

/**
 * Nodes a request is sent to at most. A node that no connection reached, or that handed the request back, has not been
 * sent it: with four of five machines switched off, the fifth is still found.
 */
export const MOST_ATTEMPTED_NODES = 3;

const NOT_SENT: ReadonlySet<FailureKind> = new Set(["unreachable", "busy", "declined"]);

/** True when a request that failed in these ways, in this order, may be placed on another node. */
export function mayFailOver(failures: readonly FailureKind[]): boolean {
  const last = failures.at(-1);
  if (last === undefined) return true;
  if (!RULES[last].failsOver) return false;
  if (failures.filter((kind) => !NOT_SENT.has(kind)).length >= MOST_ATTEMPTED_NODES) return false;
  const group = RULES[last].group;
  return group === undefined || failures.filter((kind) => RULES[kind].group?.name === group.name).length < group.limit;
}

/** A refusal of a node or of Ollama, read as the outcome table reads it. */
export type Reading =
  /** The request itself is at fault: handed on as it is, tried nowhere else. */
  { readonly kind: "rejected" } | { readonly kind: FailureKind };

const OUT_OF_MEMORY =
  /requires more system memory|out of memory|not enough memory|insufficient memory|unable to allocate|cudaMalloc failed/i;
/** Ollama's words for a runner that died, of several versions. */
const RUNNER_CRASHED =
  /process has terminated|process no longer running|runner (process )?(has )?(crashed|terminated)|signal: (killed|aborted|segmentation)/i;
/** Ollama's router, and our agent's, for a path they do not know. */
const ROUTE_MISSING = /^(404 page not found$|Not found: [A-Z]+ \/ollama\/)/;
/** Ollama's words for a runner that vanished under a request. */
const RUN_FAILED = /error was encountered while running the model/;
const MODEL_MISSING = /model .*not found|file does not exist/i;

/** Errors of a running generation that say the request was at fault, not the machine. */
const REQUEST_AT_FAULT = /context length|context window|too long|invalid|unsupported|does not support/i;

/** Ollama's 500 for a field of the request's own that it cannot use. */
const OPTION_AT_FAULT = /^(invalid format:|option ".*" must be )/;

/** Words of a graphics driver: "CUDA error: invalid device function" is nothing a request did. */
const GPU_AT_FAULT = /\b(CUDA|ROCm|HIP|Vulkan|Metal)\b/i;

/** Reads an error that Ollama put at the end of a stream: "rejected" when it is about the request. */
export function readErrorLine(text: string): Reading {
  const reading = readAnswer(500, text, null);
  const aboutRequest = reading.kind === "server_error" && REQUEST_AT_FAULT.test(text) && !GPU_AT_FAULT.test(text);
  return aboutRequest ? { kind: "rejected" } : reading;
}

/**
 * Reads an HTTP answer with any status but 200. `text` is what it says went wrong; `declined` is the node's own word when
 * it did not ask its Ollama at all.
 */
export function readAnswer(status: number, text: string, declined: DeclineReason | null): Reading {
  if (declined === "wrong_node") return { kind: "unreachable" };
  if (declined !== null) return { kind: declined === "busy" ? "busy" : "declined" };
  if (status < 400) return { kind: "protocol_error" };
  if (status === 404 && ROUTE_MISSING.test(text)) return { kind: "route_missing" };
  if (status === 404) return { kind: MODEL_MISSING.test(text) ? "model_missing" : "protocol_error" };
  if (status === 429 || status === 503) return { kind: "busy" };
  // Some routes of Ollama's say 400 to whatever went wrong.
  if (OUT_OF_MEMORY.test(text)) return { kind: "out_of_memory" };
  if (RUNNER_CRASHED.test(text)) return { kind: "runner_crashed" };
  if (RUN_FAILED.test(text)) return { kind: "server_error" };
  // 408 and 499: the node gave up on us, not the other way round; our client is still there.
  if (status === 408 || status === 499) return { kind: "server_error" };
  // 501: this model cannot do what was asked (embedding with a chat model); it could not elsewhere either.
  if (status < 500 || status === 501 || OPTION_AT_FAULT.test(text)) return { kind: "rejected" };
  return { kind: "server_error" };
}
