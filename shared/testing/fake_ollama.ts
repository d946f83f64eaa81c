// The stand-in Ollama: a real HTTP server that answers as Ollama does, deterministically, and fails on command.
import { Engine, type EngineSettings, type FakeCounters, type FakeExecution } from "./fake_ollama_engine.ts";
import type { FakeFault } from "./fake_ollama_faults.ts";
import type { Exchange } from "./fake_ollama_http.ts";
import { Listener } from "./fake_ollama_listener.ts";
import { type FakeModel, ModelStore } from "./fake_ollama_models.ts";
import { answer } from "./fake_ollama_routes.ts";
import { tokenAt } from "./fake_ollama_tokens.ts";

export type { FakeCounters, FakeExecution } from "./fake_ollama_engine.ts";
export type { FakeFault, FaultMatch } from "./fake_ollama_faults.ts";
export type { FakeModel } from "./fake_ollama_models.ts";
export { chatPrompt, embeddingOf, expectedText, promptTokens, tokenAt } from "./fake_ollama_tokens.ts";

export interface FakeOllamaOptions {
  /** Default "127.0.0.1". */
  hostname?: string;
  /** Default 0: any free port. */
  port?: number;
  /** Default "0.33.0". Below 0.12.6 an error before the first token of a stream is 200 and an error line. */
  version?: string;
  /** Default ["llama3:latest"]. */
  models?: (string | FakeModel)[];
  /** Models in memory at the start; default all. */
  loaded?: string[];
  /** Slots of each model, default 4; further requests wait silently inside, without limit, as in Ollama. */
  parallel?: number;
  /** Requests that may wait for a load, default 512; further ones get 503. */
  maxQueue?: number;
  /** Milliseconds to load a model that is not in memory, default 0. */
  loadMs?: number;
  /** Milliseconds from the slot to the first token, default 0. */
  firstTokenMs?: number;
  /** Default Infinity: as fast as possible, still one chunk a token. */
  tokensPerSecond?: number;
  /** Length of an answer without num_predict, default 8. */
  tokens?: number;
  /** Milliseconds a pull takes, default 0. */
  pullMs?: number;
  /** Names the registry knows, for pull, besides those on disk; default: every valid name. */
  registry?: string[];
  /** Text of token `index`; default `tokenAt`. */
  speak?: (prompt: string, seed: number, index: number) => string;
}

/** A request as it arrived; headers in wire order and case. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: [string, string][];
}

export interface FakeOllama {
  /** Base address without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly counters: Readonly<FakeCounters>;
  /** Every accepted inference request, oldest first (the last 100,000). */
  readonly executions: readonly FakeExecution[];
  /** The last 1000 requests of any kind. */
  readonly seen: readonly SeenRequest[];
  /** Scripts a fault for the next matching requests; several wait in line. */
  fault(fault: FakeFault): void;
  clearFaults(): void;
  /** Replaces the models on disk; those in memory stay, as in Ollama. */
  setModels(models: (string | FakeModel)[]): void;
  /** Replaces the models in memory. @throws TypeError for one that is not on disk. */
  setLoaded(names: string[]): void;
  /** Changes options while running; hostname and port have no effect any more. */
  configure(patch: Partial<FakeOllamaOptions>): void;
  /** Closes the port: new connections are refused, idle ones closed, requests under way go on. `cut` resets them too. */
  refuse(how?: { cut: boolean }): void;
  /** Opens the same port again after `refuse`. */
  accept(): Promise<void>;
  /** Resets every open connection and closes the port. Idempotent. */
  stop(): Promise<void>;
}

const rememberedRequests = 1000;

/** Starts a stand-in Ollama. Rejects with the system's error when the port cannot be had. */
export async function startFakeOllama(options: FakeOllamaOptions = {}): Promise<FakeOllama> {
  const hostname = options.hostname ?? "127.0.0.1";
  const settings: EngineSettings = {
    version: "0.33.0",
    parallel: 4,
    maxQueue: 512,
    loadMs: 0,
    firstTokenMs: 0,
    tokensPerSecond: Number.POSITIVE_INFINITY,
    tokens: 8,
    pullMs: 0,
    registry: undefined,
    speak: tokenAt,
  };
  const engine = new Engine(settings);
  const store = new ModelStore();
  const seen: SeenRequest[] = [];
  const loopback = hostname === "localhost" || hostname === "::1" || hostname.startsWith("127.");

  const listener = new Listener(hostname, options.port ?? 0, (exchange: Exchange) => {
    const { method, path, headers } = exchange.request;
    engine.counters.requests += 1;
    seen.push({ method, path, headers });
    if (seen.length > rememberedRequests) seen.shift();
    return answer(exchange, { engine, store }, loopback);
  });

  const setLoaded = (names: string[]) => {
    engine.runners.clear();
    for (const name of names) {
      const model = store.find(name);
      if (model === undefined) throw new TypeError(`cannot load ${JSON.stringify(name)}: not among the models`);
      engine.runners.put(model);
    }
  };
  const applyTiming = (patch: Partial<FakeOllamaOptions>) => {
    const { hostname: _, port: __, models: ___, loaded: ____, ...timing } = patch;
    Object.assign(settings, Object.fromEntries(Object.entries(timing).filter(([, value]) => value !== undefined)));
  };
  const configure = (patch: Partial<FakeOllamaOptions>) => {
    applyTiming(patch);
    if (patch.models !== undefined) store.replace(patch.models);
    if (patch.loaded !== undefined) setLoaded(patch.loaded);
  };

  store.replace(options.models ?? ["llama3:latest"]);
  setLoaded(options.loaded ?? store.all().map((model) => model.name));
  applyTiming(options);
  await listener.open();
  const address = hostname.includes(":") ? `[${hostname}]` : hostname;

  return {
    url: `http://${address}:${listener.port}`,
    port: listener.port,
    counters: engine.counters,
    executions: engine.executions,
    seen,
    fault: (fault) => engine.faults.add(fault),
    clearFaults: () => engine.faults.clear(),
    setModels: (models) => store.replace(models),
    setLoaded,
    configure,
    refuse: (how) => {
      listener.shut();
      if (how?.cut === true) listener.resetAll();
    },
    accept: () => listener.open(),
    stop: async () => {
      listener.shut();
      listener.resetAll();
      engine.runners.clear();
    },
  };
}
