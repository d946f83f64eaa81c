/** What the node knows about its Ollama, kept fresh by looking every few seconds and by what requests experience. */
import { type Clock, every } from "../shared/clock.ts";
import { failureWords } from "../shared/failure_words.ts";
import { neverConnected } from "../shared/fleet_fetch.ts";
import type { Logger } from "../shared/log.ts";
import type { OllamaClient } from "./ollama.ts";
import { AWAY, identities, isInMemory, learned, type OllamaState } from "./ollama_state.ts";

export interface OllamaWatch {
  readonly state: OllamaState;
  /** Looks at once and then regularly; resolves after the first look. */
  start(): Promise<void>;
  stop(): void;
  /** A request was refused the connection: Ollama is not there. */
  refused(): void;
  /** A request for `model` ("" when nobody said) was answered: if that is not what was believed, look now. */
  answered(model: string): void;
  /** The models may just have changed: looks now, and once more if a look is under way. */
  managed(): void;
}

export interface OllamaWatchOptions {
  readonly ollama: Pick<OllamaClient, "version" | "tags" | "ps">;
  /** For the log. */
  readonly url: string;
  /** Milliseconds between two looks. */
  readonly intervalMs: number;
  /** Whether some request waits for a model that is not in memory: then the end of its loading is looked for. */
  readonly isLoading: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after every change of the state that is news: not when only times and sizes of its models differ. */
  readonly onChange: () => void;
}

/** Looks in a row without an answer after which Ollama counts as away; a busy machine may be slow once. */
const FAILURES_UNTIL_AWAY = 2;

/** Milliseconds between two looks at what is in memory while a model is being loaded. */
const LOADING_LOOK_MS = 500;

/** A watch that has not looked yet: Ollama counts as absent until it answers. */
export function createOllamaWatch(options: OllamaWatchOptions): OllamaWatch {
  const { ollama, url, intervalMs, isLoading, clock, log, onChange } = options;
  let state: OllamaState = { ...AWAY, version: null };
  let stopped = false;
  let stopLooking = () => {};
  let saidAway = false;
  let failures = 0;

  function change(part: Parameters<typeof learned>[1]): void {
    if (stopped) return;
    const before = state;
    state = learned(before, part);
    if (newsOf(before) !== newsOf(state)) onChange();
  }

  function away(why: string): void {
    change(AWAY);
    if (saidAway || stopped) return;
    saidAway = true;
    log.warn(
      { url, reason: why },
      `Ollama does not answer at ${url} (${why}): start it with "ollama serve", or set OLLAMA_BASE_URL; looking again every ${intervalMs / 1000} s`,
    );
  }

  const look = oneAtATime(async () => {
    try {
      const version = await ollama.version();
      // Its list may take long right after its start; what was known holds until then.
      const tags = await ollama.tags().catch(() => state.tags);
      const wasAway = !state.ok;
      failures = 0;
      change({ ok: true, version, tags });
      if (wasAway && !stopped) {
        saidAway = false;
        log.info({ url, version, models: tags.length }, `Ollama ${version} answers at ${url}, models: ${tags.length}`);
      }
      // Not waited for: ps hangs while Ollama unloads a model, and the sign of life must not hang with it.
      void lookAtMemory.join();
    } catch (error) {
      failures += 1;
      // A refused connection is certain at once: nobody listens.
      if (!state.ok || failures >= FAILURES_UNTIL_AWAY || neverConnected(error)) away(failureWords(error));
    }
  });

  const lookAtMemory = oneAtATime(async () => {
    try {
      const ps = await ollama.ps();
      if (state.ok) change({ ps });
    } catch (error) {
      log.debug(
        { url, reason: failureWords(error) },
        "the list of loaded models could not be read, the last one holds",
      );
    }
  });

  return {
    get state() {
      return state;
    },
    async start() {
      const stopRegular = every(clock, intervalMs, look.join);
      const stopQuick = every(clock, Math.min(LOADING_LOOK_MS, intervalMs), () =>
        state.ok && isLoading() ? lookAtMemory.join() : undefined,
      );
      stopLooking = () => {
        stopRegular();
        stopQuick();
      };
      await look.join();
    },
    stop() {
      stopped = true;
      stopLooking();
    },
    refused: () => away("connection refused"),
    answered(model) {
      if (stopped) return;
      if (!state.ok) void look.join();
      // A load that was shorter than the time between two looks.
      else if (model !== "" && !isInMemory(state, model)) void lookAtMemory.anew();
    },
    managed() {
      if (!stopped) void look.anew();
    },
  };
}

function newsOf({ ok, version, tags, ps }: OllamaState): string {
  return JSON.stringify([ok, version, identities(tags), identities(ps)]);
}

/** `run`, which never rejects, at most once at a time. `join` is satisfied with one under way, `anew` is not. */
function oneAtATime(run: () => Promise<void>) {
  let running: Promise<void> | null = null;
  function join(): Promise<void> {
    running ??= run().finally(() => {
      running = null;
    });
    return running;
  }
  async function anew(): Promise<void> {
    await running;
    // Whoever else waited gets this same one: it began after all of them asked.
    await join();
  }
  return { join, anew };
}
