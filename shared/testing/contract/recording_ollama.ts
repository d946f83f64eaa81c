/** A stand-in Ollama that keeps every request as it came, body and all: the proof that a hub changes nothing. */
import { Engine } from "../fake_ollama_engine.ts";
import type { HttpRequest } from "../fake_ollama_http.ts";
import { Listener } from "../fake_ollama_listener.ts";
import { ModelStore } from "../fake_ollama_models.ts";
import { answer } from "../fake_ollama_routes.ts";
import { EXAMPLE, MODELS, WORDS } from "./wire_examples.ts";

export interface RecordingOllama {
  readonly url: string;
  readonly port: number;
  /** The newest request for `path`. @throws Error when there was none. */
  newest(path: string): HttpRequest;
  /** How many there were. */
  count(path: string): number;
  stop(): void;
}

/** Starts one with the models and the words of the wire examples, all in memory. */
export async function startRecordingOllama(): Promise<RecordingOllama> {
  const requests: HttpRequest[] = [];
  const engine = new Engine({
    version: "0.33.0",
    parallel: 4,
    maxQueue: 512,
    loadMs: 0,
    firstTokenMs: 0,
    tokensPerSecond: Number.POSITIVE_INFINITY,
    tokens: WORDS.length,
    pullMs: 0,
    registry: undefined,
    speak: EXAMPLE.speak ?? (() => ""),
  });
  const store = new ModelStore();
  store.replace(MODELS);
  for (const model of store.all()) engine.runners.put(model);
  const listener = new Listener("127.0.0.1", 0, (exchange) => {
    requests.push(exchange.request);
    return answer(exchange, { engine, store }, true);
  });
  await listener.open();
  return {
    url: `http://127.0.0.1:${listener.port}`,
    port: listener.port,
    newest: (path) => {
      const found = requests.findLast((request) => request.path === path);
      if (found === undefined) throw new Error(`nothing came for ${path}`);
      return found;
    },
    count: (path) => requests.filter((request) => request.path === path).length,
    stop: () => {
      listener.shut();
      listener.resetAll();
      engine.runners.clear();
    },
  };
}
