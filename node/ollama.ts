/** The client of the local Ollama: every request the node ever makes to it. */
import { z } from "zod";
import type { FleetFetch } from "../shared/fleet_fetch.ts";
import { HEADERS } from "../shared/protocol.ts";

export interface OllamaClient {
  /** Ollama's version. It takes no lock in Ollama, so it is the sign of life. Throws when there is no usable answer. */
  version(): Promise<string>;
  /** Names of the models on disk. Throws when there is no usable answer. */
  models(): Promise<string[]>;
  /** Names of the models in memory; one that is just being loaded is not among them. Throws as above. */
  loaded(): Promise<string[]>;
  /**
   * Sends a generate request (JSON text) and resolves with the answer as soon as its status is there; `signal` ends the
   * generation at any time. Rejects as fetch does; no time limit of its own. Ollama ignores the request id; what stands
   * between node and Ollama may log it.
   */
  generate(body: string, requestId: string, signal: AbortSignal): Promise<Response>;
}

/** Milliseconds. ps waits for locks that Ollama holds up to 5 s while it unloads a model. */
const TIME_LIMITS = { version: 5000, models: 5000, loaded: 10_000 } as const;

/** Names the wire between node and hub takes. */
const NAME_LIMIT = 512;

const versionAnswer = z.object({ version: z.string() });
const modelsAnswer = z.object({ models: z.array(z.object({ name: z.string() })).nullish() });

/** A client of the Ollama at `baseUrl`. */
export function createOllamaClient(baseUrl: string, fetch: FleetFetch): OllamaClient {
  async function read<T>(path: string, schema: z.ZodType<T>, limitMs: number): Promise<T> {
    const response = await fetch(`${baseUrl}${path}`, { signal: AbortSignal.timeout(limitMs) });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`${path} answered with status ${response.status}`);
    }
    const parsed = schema.safeParse(await response.json());
    if (!parsed.success) throw new Error(`${path} did not answer as Ollama does`);
    return parsed.data;
  }

  async function names(path: string, limitMs: number): Promise<string[]> {
    const { models } = await read(path, modelsAnswer, limitMs);
    return (models ?? []).map((model) => model.name).filter((name) => name !== "" && name.length <= NAME_LIMIT);
  }

  return {
    version: async () => (await read("/api/version", versionAnswer, TIME_LIMITS.version)).version.slice(0, 64),
    models: () => names("/api/tags", TIME_LIMITS.models),
    loaded: () => names("/api/ps", TIME_LIMITS.loaded),
    generate: (body, requestId, signal) =>
      fetch(`${baseUrl}/api/generate`, {
        method: "POST",
        headers: { "content-type": "application/json", [HEADERS.requestId]: requestId },
        body,
        signal,
      }),
  };
}
