/** Proves a history right or names what is wrong with it: one outcome each, no mixed answers, few executions, no silence. */
import { type Execution, type History, isLost, type Operation, textOf } from "./history.ts";

/** A promise that was broken. `lost` and `orphan` are promises only where the scenario makes them. */
export type Breach = "outcomes" | "silent" | "mixed" | "incomplete" | "executions" | "hang" | "lost" | "orphan";

export interface Violation {
  readonly breach: Breach;
  /** Id of the operation. */
  readonly operation: string;
  /** For people. */
  readonly detail: string;
}

export interface Promises {
  /** Milliseconds after which an operation that has not ended hangs. */
  readonly hangMs: number;
  /** Executions an operation may have at most. */
  readonly executions: number;
  /** Whether every operation must be answered, short of those that broke off with an error frame. */
  readonly nothingLost: boolean;
  /** Milliseconds after which an abort must have reached Ollama; null where nodes were frozen or cut off meanwhile. */
  readonly abortMs: number | null;
}

/** What the issue promises for every run. */
export const USUAL: Promises = { hangMs: 60_000, executions: 3, nothingLost: false, abortMs: null };

/** Every violation in `history`, which must be taken when all faults are healed and everything had time to end. */
export function check(history: History, promises: Promises = USUAL): Violation[] {
  const executions = Map.groupBy(history.executions, (execution) => execution.operation);
  const violations: Violation[] = [];
  const known = new Set<string>();
  for (const operation of history.operations) {
    const say = (breach: Breach, detail: string) =>
      violations.push({ breach, operation: operation.id, detail: `${label(operation)}: ${detail}` });
    if (known.has(operation.id)) say("outcomes", "two operations have this id");
    known.add(operation.id);
    const mine = executions.get(operation.id) ?? [];
    if (!metClosedListener(operation, mine, history)) checkEnd(operation, promises, say);
    checkText(operation, mine, say);
    if (mine.length > promises.executions) say("executions", `${mine.length} executions`);
    checkOrphans(operation, mine, promises, say);
  }
  for (const [id, [first]] of executions) {
    if (known.has(id)) continue;
    violations.push({ breach: "outcomes", operation: id, detail: `${first?.node} ran what no client asked for` });
  }
  return violations;
}

/** Milliseconds around a stop of the hub in which a connection can stand in its listener's queue. */
const LISTENER_CLOSES_MS = 100;

/**
 * True for a client whose connection the kernel had taken, and nobody had accepted, when a hub that stops closed its
 * listener: every system resets those. It is refused like the next one, a moment later; nothing of it was read.
 */
function metClosedListener(operation: Operation, executions: readonly Execution[], { hubStops }: History): boolean {
  const { outcomes, status, startedAt } = operation;
  if (outcomes.join() !== "cut" || status !== 0 || executions.length > 0) return false;
  return hubStops.some((at) => Math.abs(startedAt - at) < LISTENER_CLOSES_MS);
}

type Say = (breach: Breach, detail: string) => void;

function label({ kind, stream }: Operation): string {
  return `${kind}${stream ? " streamed" : ""}`;
}

function checkEnd(operation: Operation, promises: Promises, say: Say): void {
  const { outcomes, startedAt, endedAt, why } = operation;
  const [outcome] = outcomes;
  if (outcomes.length !== 1 || endedAt === null) {
    return say("outcomes", `ended ${outcomes.length} times${outcomes.length > 0 ? `: ${outcomes.join(", ")}` : ""}`);
  }
  if (outcome === "hang") say("hang", `no end within ${Math.round(endedAt - startedAt)} ms`);
  else if (endedAt - startedAt > promises.hangMs) say("hang", `took ${Math.round(endedAt - startedAt)} ms`);
  if (outcome === "cut") say("silent", `ended without a word after ${operation.text.length} characters (${why})`);
  const worded = outcome === "error frame" || (outcome === "refused" && operation.status !== 0);
  if (worded && why === "") say("silent", `${outcome}, status ${operation.status}, does not say why`);
  if (promises.nothingLost && isLost(operation)) say("lost", `${outcome}, status ${operation.status}: ${why}`);
}

function checkText(operation: Operation, executions: readonly Execution[], say: Say): void {
  const { text, tokens } = operation;
  const whole = operation.outcomes[0] === "whole";
  if (text === "" && !whole) return;
  const expected = executions.map((execution) => textOf(execution, tokens));
  if (expected.includes(text)) return;
  if (!expected.some((one) => text !== "" && one.startsWith(text))) {
    return say("mixed", `${executions.length} executions, none says ${JSON.stringify(shortened(text))}`);
  }
  if (whole) say("incomplete", `called whole at ${text.length} characters, asked for ${tokens} tokens`);
}

function checkOrphans(operation: Operation, executions: readonly Execution[], promises: Promises, say: Say): void {
  for (const { node, outcome, abortedAt } of executions) {
    if (outcome === "running") say("orphan", `still runs at ${node}`);
    if (promises.abortMs === null || operation.leftAt === null || abortedAt === null) continue;
    const late = abortedAt - operation.leftAt;
    if (late > promises.abortMs)
      say("orphan", `ran on at ${node} for ${Math.round(late)} ms after the client had left`);
  }
}

function shortened(text: string): string {
  return text.length > 120 ? `${text.slice(0, 60)} … ${text.slice(-60)}` : text;
}
