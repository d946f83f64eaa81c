/** What a simulation is given: machines, and requests as they come. */
import type { Random } from "../lab/seeded_random.ts";
import type { MachineSpec } from "./machine.ts";
import { conversationLengths, exponential, gamma, longTextLengths } from "./token_lengths.ts";

export interface Scenario {
  readonly name: string;
  /** For the document. */
  readonly about: string;
  readonly machines: readonly MachineSpec[];
  readonly traffic: Traffic;
}

/** One kind of request. */
export interface Demand {
  readonly model: string;
  /** Its part of all conversations and single requests that begin, relative to the others'. */
  readonly weight: number;
  /** `num_ctx` it asks for; null for none. */
  readonly context: number | null;
  readonly lengths: "conversation" | "long text";
}

export interface Traffic {
  /** Conversations and single requests that begin in a minute. */
  readonly perMinute: number;
  /** Shape of the gamma distribution of the time between two: 1 is Poisson, less comes in bursts. */
  readonly shape: number;
  /** Part of them that are conversations of several turns. */
  readonly conversations: number;
  readonly demands: readonly Demand[];
  /** Requests altogether; no conversation begins after that. */
  readonly requests: number;
}

/** One request, when it comes and what it asks. */
export interface Arrival {
  readonly at: number;
  readonly demand: Demand;
  readonly promptTokens: number;
  /** Of them those of the turns before. */
  readonly knownTokens: number;
  readonly outputTokens: number;
  readonly conversation: number | null;
  /** The turn that follows once this one is answered, and so many milliseconds of thinking later. */
  readonly next: { readonly turn: Turn; readonly afterMs: number } | null;
}

/** A turn that has not come yet. */
interface Turn {
  readonly newTokens: number;
  readonly outputTokens: number;
  readonly next: Arrival["next"];
}

/** Turns of a conversation on average, of those that have several; a fifth of a minute to read and write. Ours. */
const TURNS = 4;
const THINK_MS = 20_000;
/** Tokens a person writes in a later turn, on average. Ours. */
const NEW_TOKENS = 60;

/** The first turns and single requests of `traffic`, in the order of their time. */
export function arrivals(traffic: Traffic, random: Random): Arrival[] {
  const found: Arrival[] = [];
  const times = random.fork("times");
  const kinds = random.fork("kinds");
  const lengths = random.fork("lengths");
  const total = traffic.demands.reduce((sum, { weight }) => sum + weight, 0);
  let at = 0;
  for (let requests = 0, conversation = 0; requests < traffic.requests; conversation++) {
    at += gamma(times, traffic.shape, 60_000 / traffic.perMinute);
    const demand = picked(traffic.demands, kinds.between(0, total));
    const { prompt, output } =
      demand.lengths === "conversation" ? conversationLengths(lengths) : longTextLengths(lengths);
    const several = kinds.chance(traffic.conversations);
    let next: Arrival["next"] = null;
    // At least two turns, and after each another with the same chance.
    for (let more = several; more; more = kinds.chance(1 - 1 / (TURNS - 1))) {
      const turn: Turn = {
        newTokens: Math.ceil(exponential(lengths, NEW_TOKENS)),
        outputTokens: conversationLengths(lengths).output,
        next,
      };
      next = { turn, afterMs: exponential(lengths, THINK_MS) };
      requests++;
    }
    requests++;
    found.push({
      at,
      demand,
      promptTokens: fitting(prompt, demand),
      knownTokens: 0,
      outputTokens: output,
      conversation: several ? conversation : null,
      next,
    });
  }
  return found;
}

/** The one within whose weight `point` lies, when all weights stand in a row. */
function picked(demands: readonly Demand[], point: number): Demand {
  let end = 0;
  for (const demand of demands) {
    end += demand.weight;
    if (point < end) return demand;
  }
  throw new Error("a scenario without demands");
}

/** The turn after `before`, which was answered at `at`. */
export function followUp(before: Arrival, at: number): Arrival | null {
  if (!before.next) return null;
  const { turn, afterMs } = before.next;
  const known = before.promptTokens + before.outputTokens;
  return {
    at: at + afterMs,
    demand: before.demand,
    promptTokens: fitting(known + turn.newTokens, before.demand),
    knownTokens: known,
    outputTokens: turn.outputTokens,
    conversation: before.conversation,
    next: turn.next,
  };
}

/** What does not fit the context is left away, as Ollama does. */
function fitting(tokens: number, { context }: Demand): number {
  return Math.min(tokens, (context ?? 4096) - 1);
}
