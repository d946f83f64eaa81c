// The two things every official client is tried on: Ollama itself, and a hub in front of two nodes.
import { afterAll, afterEach, beforeAll, describe } from "bun:test";
import {
  type FakeExecution,
  type FakeModel,
  type FakeOllama,
  type FakeOllamaOptions,
  startFakeOllama,
} from "../fake_ollama.ts";
import { startFleet } from "../start_fleet.ts";
import { eventually } from "../start_hub.ts";

/** What a client is pointed at. Its fields may be read inside tests only. */
export interface Target {
  readonly name: string;
  /** Base address without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Every Ollama that can answer. */
  readonly ollamas: readonly FakeOllama[];
}

export const chatModel = "llama3.2";
export const thinkingModel = "qwen3";
export const visionModel = "llava";
export const embeddingModel = "all-minilm";

/** The models every Ollama of these tests has. */
export const models: readonly FakeModel[] = [
  { name: chatModel },
  { name: thinkingModel, capabilities: ["completion", "tools", "thinking"] },
  { name: visionModel, capabilities: ["completion", "vision"] },
  { name: embeddingModel, embedding: true },
];

/** What can be pulled besides those; a test that pulls one leaves it there. */
const registry: readonly string[] = ["pulled", "pulled-whole", "pulled-by-cli", "pulled-by-run", "given-up"];

/** Tokens of an answer that asks for no number of them. */
export const tokens = 8;

/**
 * Runs `suite` once for each target. After each test every Ollama has its usual pace and no faults; models that the test
 * made stay.
 */
export function forEachTarget(suite: (target: Target) => void): void {
  for (const [name, start] of [
    ["Ollama itself", startAlone],
    ["the hub", startBehindHub],
  ] as const) {
    describe(name, () => {
      let started: Started | undefined;
      const parts = () => {
        if (started === undefined) throw new Error("a target can be asked inside tests only");
        return started;
      };
      beforeAll(async () => {
        started = await start();
      });
      afterEach(() => {
        for (const ollama of parts().ollamas) {
          ollama.clearFaults();
          ollama.configure({ tokens, tokensPerSecond: Number.POSITIVE_INFINITY, pullMs: 0 });
        }
      });
      afterAll(() => parts().stop());
      suite({
        name,
        get url() {
          return parts().url;
        },
        get port() {
          return Number(new URL(parts().url).port);
        },
        get ollamas() {
          return parts().ollamas;
        },
      });
    });
  }
}

/** All that ran on any Ollama of the target; `prompt` limits it to one prompt. */
export function executions({ ollamas }: Pick<Target, "ollamas">, prompt?: string): FakeExecution[] {
  const all = ollamas.flatMap((ollama) => ollama.executions);
  return prompt === undefined ? all : all.filter((execution) => execution.prompt === prompt);
}

/** Resolves when each of `prompts` ran once, was given up because its client left, and no slot is taken any more. */
export async function aborted(target: Target, ...prompts: string[]): Promise<void> {
  await eventually(() => {
    const outcomes = prompts.map(
      (prompt) =>
        executions(target, prompt)
          .map(({ outcome }) => outcome)
          .join() || "no run",
    );
    const running = target.ollamas.reduce((sum, { counters }) => sum + counters.running, 0);
    if (outcomes.some((outcome) => outcome !== "aborted") || running > 0) {
      throw new Error(`${prompts.join(", ")}: ${outcomes.join(", ")}; ${running} still running`);
    }
  });
}

/** Tokens said before the failure that `failInTheMiddle` makes. */
export const tokensBeforeFailure = 10;

/** Makes the model fail in the next stream, slowly enough that the first pieces have long reached the client. */
export function failInTheMiddle({ ollamas }: Target): void {
  for (const ollama of ollamas) {
    ollama.configure({ tokensPerSecond: 40, tokens: 200 });
    ollama.fault({ kind: "errorAfterTokens", tokens: tokensBeforeFailure });
  }
}

/** What `promise` rejects with. Rejects itself when there is no such thing. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected an error, got ${JSON.stringify(value)}`);
}

interface Started {
  readonly url: string;
  readonly ollamas: readonly FakeOllama[];
  stop(): Promise<void>;
}

const options: FakeOllamaOptions = { models: [...models], registry: [...registry], tokens };

async function startAlone(): Promise<Started> {
  const ollama = await startFakeOllama(options);
  return { url: ollama.url, ollamas: [ollama], stop: () => ollama.stop() };
}

async function startBehindHub(): Promise<Started> {
  const fleet = await startFleet({ nodes: ["a", "b"], ollama: options });
  return {
    url: fleet.hub.url,
    ollamas: [fleet.ollama("a"), fleet.ollama("b")],
    stop: async () => fleet[Symbol.asyncDispose](),
  };
}
