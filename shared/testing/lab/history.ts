/** What a lab run writes down: every operation of a client and every execution at a stand-in Ollama, joined by their ids. */
import { expectedText } from "../fake_ollama.ts";

/** The routes by which clients ask. */
export const KINDS = ["jobs", "generate", "chat", "completions", "messages"] as const;
export type Kind = (typeof KINDS)[number];

/**
 * How an operation ended, as its client saw it.
 * - whole: the family's own end came
 * - error frame: a stream that says in its family's form that it broke
 * - refused: a status that is not 200; 0 where no connection came about
 * - cut: an end or a reset that nothing announced
 * - aborted: the client itself left
 * - hang: the client gave up waiting
 */
export type Outcome = "whole" | "error frame" | "refused" | "cut" | "aborted" | "hang";

export interface Operation {
  readonly id: string;
  readonly kind: Kind;
  readonly stream: boolean;
  /** Tokens asked for. */
  readonly tokens: number;
  /** Monotonic ms of the lab, as all its times. */
  readonly startedAt: number;
  firstByteAt: number | null;
  endedAt: number | null;
  /** When the client left of its own accord. */
  leftAt: number | null;
  /** One, if all is well. */
  readonly outcomes: Outcome[];
  /** Status of the answer; 0 before there is one. */
  status: number;
  /** The answer's text as far as it came. */
  text: string;
  /** What an error frame, refusal or break said. */
  why: string;
  /** What the hub says of nodes tried (`X-Attempts`); 0 unknown. */
  attempts: number;
  /** Which node answered (`X-Node-Id`), where the hub said so. */
  node: string | null;
  /** Whole seconds of `Retry-After`; null without one. */
  retryAfter: number | null;
}

/** One inference request that a stand-in Ollama accepted. */
export interface Execution {
  /** Id of the operation it was for. */
  readonly operation: string;
  readonly node: string;
  readonly prompt: string;
  readonly seed: number;
  readonly tokensSent: number;
  readonly outcome: "running" | "completed" | "aborted" | "faulted";
  /** Monotonic ms at which the stand-in noticed that its client had left. */
  readonly abortedAt: number | null;
}

export interface History {
  readonly operations: readonly Operation[];
  readonly executions: readonly Execution[];
  /** When the hub was told to end, on the clock of the operations. */
  readonly hubStops: readonly number[];
}

/** The prompt of operation `id`. */
export function promptOf(id: string): string {
  return `lab operation ${id} please`;
}

/** The operation whose prompt this is, or null. */
export function operationOf(prompt: string): string | null {
  return /^lab operation (\S+) please/.exec(prompt)?.[1] ?? null;
}

/** What the stand-in of `node` says: its own name is in every token, so that two executions never read alike. */
export function saltedPrompt(node: string, prompt: string): string {
  return `${node}\n${prompt}`;
}

/** The whole text of `tokens` tokens that `execution` says. */
export function textOf(execution: Pick<Execution, "node" | "prompt" | "seed">, tokens: number): string {
  return expectedText(saltedPrompt(execution.node, execution.prompt), execution.seed, tokens);
}

/** Whether the operation got nothing it can use, through no doing of its own, before any of its answer had come. */
export function isLost(operation: Operation): boolean {
  const [outcome] = operation.outcomes;
  if (outcome === "whole" || outcome === "aborted") return false;
  return outcome !== "error frame" || operation.text === "";
}

/** A stream that broke after it had begun, and said so. Nobody can take back what has been sent. */
export function isInterrupted(operation: Operation): boolean {
  return operation.outcomes[0] === "error frame" && operation.text !== "";
}
