/** The client of the local Ollama: every request the node ever makes to it. */
import { z } from "zod";
import type { FleetFetch } from "../shared/fleet_fetch.ts";
import { type DiskModel, type LoadedModel, psAnswer, tagsAnswer } from "../shared/ollama_models.ts";
import type { Method } from "../shared/ollama_routes.ts";
import { HEADERS } from "../shared/protocol.ts";

/** A request as Ollama gets it. */
export interface OllamaRequest {
  readonly method: Method;
  /** Path and query. */
  readonly target: string;
  /** Besides the request id. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | ReadableStream<Uint8Array>;
  /** On a connection of its own. */
  readonly fresh?: boolean;
}

export interface OllamaClient {
  /** Ollama's version. It takes no lock in Ollama, so it is the sign of life. Throws when there is no usable answer. */
  version(): Promise<string>;
  /** The models on disk. Throws when there is no usable answer. */
  tags(): Promise<DiskModel[]>;
  /** The models in memory; one that is just being loaded is not among them. Throws as above. */
  ps(): Promise<LoadedModel[]>;
  /**
   * Sends a request and resolves with the answer as soon as its status is there; `signal` ends what Ollama does for it
   * at any time. Rejects as fetch does; no time limit of its own. Ollama ignores the request id; what stands between
   * node and Ollama may log it.
   */
  send(request: OllamaRequest, requestId: string, signal: AbortSignal): Promise<Response>;
}

/** Milliseconds. ps waits for locks that Ollama holds up to 5 s while it unloads a model. */
const TIME_LIMITS = { version: 5000, tags: 5000, ps: 10_000 } as const;

const versionAnswer = z.object({ version: z.string() });

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

  return {
    version: async () => (await read("/api/version", versionAnswer, TIME_LIMITS.version)).version.slice(0, 64),
    tags: () => read("/api/tags", tagsAnswer, TIME_LIMITS.tags),
    ps: () => read("/api/ps", psAnswer, TIME_LIMITS.ps),
    send: ({ target, headers, ...request }, requestId, signal) =>
      fetch(`${baseUrl}${target}`, { ...request, headers: { ...headers, [HEADERS.requestId]: requestId }, signal }),
  };
}
