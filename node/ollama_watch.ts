/** What the node knows about its Ollama, kept fresh by looking every few seconds and by what requests experience. */
import { type Clock, every } from "../shared/clock.ts";
import { failureWords } from "../shared/failure_words.ts";
import { neverConnected } from "../shared/fleet_fetch.ts";
import type { Logger } from "../shared/log.ts";
import type { OllamaClient } from "./ollama.ts";

export interface OllamaState {
  /** Whether it answered the last time anybody asked. */
  readonly ok: boolean;
  /** The last version seen. */
  readonly version: string | null;
  /** Models it can run now: empty while it does not answer. */
  readonly models: readonly string[];
  /** Models in memory when last seen. */
  readonly loaded: readonly string[];
}

export interface OllamaWatch {
  readonly state: OllamaState;
  /** Looks at once and then regularly; resolves after the first look. */
  start(): Promise<void>;
  stop(): void;
  /** A request was refused the connection: Ollama is not there. */
  refused(): void;
  /** A request was answered: if Ollama was believed away, look now. */
  answered(): void;
}

export interface OllamaWatchOptions {
  readonly ollama: OllamaClient;
  /** For the log. */
  readonly url: string;
  /** Milliseconds between two looks. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after every change of the state. */
  readonly onChange: () => void;
}

/** Looks in a row without an answer after which Ollama counts as away; a busy machine may be slow once. */
const FAILURES_UNTIL_AWAY = 2;

/** A watch that has not looked yet: Ollama counts as absent until it answers. */
export function createOllamaWatch(options: OllamaWatchOptions): OllamaWatch {
  const { ollama, url, intervalMs, clock, log, onChange } = options;
  let state: OllamaState = { ok: false, version: null, models: [], loaded: [] };
  let stopped = false;
  let stopLooking = () => {};
  let saidAway = false;
  let looking: Promise<void> | null = null;
  let readingLoaded = false;
  let failures = 0;

  function change(part: Partial<OllamaState>): void {
    if (stopped) return;
    const before = state;
    state = { ...state, ...part };
    if (JSON.stringify(before) !== JSON.stringify(state)) onChange();
  }

  function away(why: string): void {
    change({ ok: false, models: [], loaded: [] });
    if (saidAway || stopped) return;
    saidAway = true;
    log.warn(
      { url, reason: why },
      `Ollama does not answer at ${url} (${why}): start it with "ollama serve", or set OLLAMA_BASE_URL; looking again every ${intervalMs / 1000} s`,
    );
  }

  function look(): Promise<void> {
    looking ??= lookOnce().finally(() => {
      looking = null;
    });
    return looking;
  }

  async function lookOnce(): Promise<void> {
    try {
      const version = await ollama.version();
      // Its list may take long right after its start; what was known holds until then.
      const models = await ollama.models().catch(() => state.models);
      const wasAway = !state.ok;
      failures = 0;
      change({ ok: true, version, models });
      if (wasAway && !stopped) {
        saidAway = false;
        log.info(
          { url, version, models: models.length },
          `Ollama ${version} answers at ${url}, models: ${models.length}`,
        );
      }
      readLoaded();
    } catch (error) {
      failures += 1;
      // A refused connection is certain at once: nobody listens.
      if (!state.ok || failures >= FAILURES_UNTIL_AWAY || neverConnected(error)) away(failureWords(error));
    }
  }

  /** Not waited for: ps hangs while Ollama unloads a model, and the sign of life must not hang with it. */
  async function readLoaded(): Promise<void> {
    if (readingLoaded) return;
    readingLoaded = true;
    try {
      const loaded = await ollama.loaded();
      if (state.ok) change({ loaded });
    } catch (error) {
      log.debug(
        { url, reason: failureWords(error) },
        "the list of loaded models could not be read, the last one holds",
      );
    } finally {
      readingLoaded = false;
    }
  }

  return {
    get state() {
      return state;
    },
    async start() {
      stopLooking = every(clock, intervalMs, look);
      await look();
    },
    stop() {
      stopped = true;
      stopLooking();
    },
    refused: () => away("connection refused"),
    answered() {
      if (!state.ok && !stopped) void look();
    },
  };
}
