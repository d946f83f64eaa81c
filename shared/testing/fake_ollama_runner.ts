// The stand-in's scheduler: which models are in memory, loads one at a time, slots, keep-alive.

import { busyText } from "./fake_ollama_faults.ts";
import { ExchangeOver } from "./fake_ollama_http.ts";
import { Refusal } from "./fake_ollama_json.ts";
import { canonicalKey, type StoredModel } from "./fake_ollama_models.ts";

/** Numbers the scheduler obeys; read at each use, so a test may change them while it runs. */
export interface RunnerSettings {
  parallel: number;
  maxQueue: number;
  loadMs: number;
}

/** A model in memory. */
export interface Runner {
  readonly model: StoredModel;
  /** `performance.now()` ms when it may be unloaded; renewed when it goes idle, as Ollama does. */
  expiresAt: number;
  keepAliveMs: number;
  busy: number;
  readonly waiters: (() => void)[];
  unloadTimer: ReturnType<typeof setTimeout> | undefined;
}

const defaultKeepAliveMs = 5 * 60_000;
const longestTimerMs = 2 ** 31 - 1;

export class Runners {
  readonly #settings: RunnerSettings;
  readonly #loaded = new Map<string, Runner>();
  readonly #loadQueue: (() => void)[] = [];
  #loading = false;
  readonly #counters: { loads: number };

  constructor(settings: RunnerSettings, counters: { loads: number }) {
    this.#settings = settings;
    this.#counters = counters;
  }

  /** Finished loads only, latest expiry first: what ps shows. */
  list(): Runner[] {
    return [...this.#loaded.values()].sort((left, right) => right.expiresAt - left.expiresAt);
  }

  /** Puts a model into memory at once, as at the start of a test. */
  put(model: StoredModel): Runner {
    const runner: Runner = {
      model,
      expiresAt: performance.now() + defaultKeepAliveMs,
      keepAliveMs: defaultKeepAliveMs,
      busy: 0,
      waiters: [],
      unloadTimer: undefined,
    };
    this.#loaded.set(canonicalKey(model.id), runner);
    this.idle(runner);
    return runner;
  }

  /** Forgets every model in memory; what runs on them ends undisturbed. */
  clear(): void {
    for (const runner of this.#loaded.values()) clearTimeout(runner.unloadTimer);
    this.#loaded.clear();
  }

  /** Ollama's unload request: answered at once, done when the last request has finished. */
  unload(model: StoredModel): void {
    const runner = this.#loaded.get(canonicalKey(model.id));
    if (runner === undefined) return;
    runner.keepAliveMs = 0;
    this.idle(runner);
  }

  /** @throws Refusal 503 when the model needs a load and `maxQueue` requests wait for one already. */
  admit(model: StoredModel): void {
    if (this.#loaded.has(canonicalKey(model.id)) || !this.#loading) return;
    if (this.#loadQueue.length >= this.#settings.maxQueue) throw new Refusal(503, busyText);
  }

  /**
   * The model in memory, loading it first when it is not. Loads are one at a time; a load whose own request leaves is
   * given up, and the next waiting request begins it again from zero. @throws ExchangeOver when the client leaves.
   */
  async load(model: StoredModel, keepAliveMs: number | undefined, pause: Pause): Promise<Runner> {
    const runner = this.#loaded.get(canonicalKey(model.id)) ?? (await this.#loadInTurn(model, pause));
    if (keepAliveMs !== undefined) runner.keepAliveMs = keepAliveMs;
    // Not yet busy, but not to be unloaded under the request that has just asked for it.
    clearTimeout(runner.unloadTimer);
    return runner;
  }

  async #loadInTurn(model: StoredModel, pause: Pause): Promise<Runner> {
    if (this.#loading) await pause.inQueue(this.#loadQueue);
    this.#loading = true;
    try {
      pause.check();
      const already = this.#loaded.get(canonicalKey(model.id));
      if (already !== undefined) return already;
      this.#counters.loads += 1;
      await pause.sleep(this.#settings.loadMs);
      return this.put(model);
    } finally {
      // Handed on, not given up: a request that comes in between must not start a second load.
      const next = this.#loadQueue.shift();
      if (next === undefined) this.#loading = false;
      else next();
    }
  }

  /** One of the model's slots; waits without limit, as Ollama does. Give it back with `release`. */
  async acquire(runner: Runner, pause: Pause): Promise<void> {
    if (runner.busy >= this.#settings.parallel) {
      try {
        // `release` hands its slot over without lowering `busy`, so nobody can overtake the waiters.
        await pause.inQueue(runner.waiters);
      } catch (error) {
        this.idle(runner);
        throw error;
      }
    } else runner.busy += 1;
    if (pause.over) {
      this.release(runner);
      pause.check();
    }
  }

  /** Gives a slot back, to the next waiter or to nobody. */
  release(runner: Runner): void {
    const next = runner.busy <= this.#settings.parallel ? runner.waiters.shift() : undefined;
    if (next !== undefined) return next();
    runner.busy -= 1;
    this.idle(runner);
  }

  /** Starts the keep-alive of a runner, if it has nothing to do. */
  idle(runner: Runner): void {
    clearTimeout(runner.unloadTimer);
    if (runner.busy > 0 || runner.waiters.length > 0) return;
    runner.expiresAt = performance.now() + runner.keepAliveMs;
    if (runner.keepAliveMs > longestTimerMs) return;
    const key = canonicalKey(runner.model.id);
    const unload = () => {
      if (this.#loaded.get(key) === runner) this.#loaded.delete(key);
    };
    runner.unloadTimer = setTimeout(unload, runner.keepAliveMs);
    runner.unloadTimer.unref();
  }
}

/** The waiting of one request: every wait ends at once, with ExchangeOver, when the client leaves. */
export class Pause {
  readonly #signal: AbortSignal;
  #leave: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    // One listener a request, not one a wait: a stream of a thousand tokens waits a thousand times.
    signal.addEventListener("abort", () => this.#leave?.(), { once: true });
  }

  get over(): boolean {
    return this.#signal.aborted;
  }

  /** @throws ExchangeOver when the client has left. */
  check(): void {
    if (this.over) throw new ExchangeOver("gone");
  }

  /** Waits `ms` milliseconds; for 0 it still lets the event loop turn, so that a leaving client is noticed. */
  async sleep(ms: number): Promise<void> {
    this.check();
    const { promise, resolve } = Promise.withResolvers<void>();
    if (ms <= 0) {
      setImmediate(resolve);
      await promise;
    } else {
      const timer = setTimeout(resolve, ms);
      this.#leave = () => {
        clearTimeout(timer);
        resolve();
      };
      await promise;
      this.#leave = undefined;
    }
    this.check();
  }

  /** Waits in `queue` until called; a leaving client gives up its place. */
  async inQueue(queue: (() => void)[]): Promise<void> {
    this.check();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const call = () => resolve(true);
    queue.push(call);
    this.#leave = () => {
      const at = queue.indexOf(call);
      if (at < 0) return; // called in the same moment: the caller's gift must be accepted, then given back
      queue.splice(at, 1);
      resolve(false);
    };
    const called = await promise;
    this.#leave = undefined;
    if (!called) throw new ExchangeOver("gone");
  }
}
