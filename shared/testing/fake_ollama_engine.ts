// One inference request from acceptance to its last byte: fault, load, slot, tokens, and the books kept on it.
import { type FakeFault, FaultQueue, faultText } from "./fake_ollama_faults.ts";
import { type Exchange, ExchangeOver, headerOf } from "./fake_ollama_http.ts";
import { Refusal } from "./fake_ollama_json.ts";
import type { StoredModel } from "./fake_ollama_models.ts";
import type { PieceJob } from "./fake_ollama_pieces.ts";
import { Pause, type Runner, type RunnerSettings, Runners } from "./fake_ollama_runner.ts";
import { type Course, halved, speak, type Voice } from "./fake_ollama_speech.ts";

/** Settings the engine reads at each use. */
export interface EngineSettings extends RunnerSettings {
  version: string;
  firstTokenMs: number;
  tokensPerSecond: number;
  tokens: number;
  pullMs: number;
  registry: string[] | undefined;
  speak: (prompt: string, seed: number, index: number) => string;
}

/** What became of one accepted inference request. */
export interface FakeExecution {
  /** Path of the request, such as "/api/chat". */
  readonly route: string;
  /** Model as the request named it. */
  readonly model: string;
  readonly prompt: string;
  readonly seed: number;
  /** Value of X-Request-Id. */
  readonly requestId: string | null;
  /** Tokens made; for a streamed answer each was sent. */
  tokensSent: number;
  outcome: "running" | "completed" | "aborted" | "faulted";
  /** `performance.now()` ms at which the client's leaving was noticed. */
  abortedAt?: number;
}

/** Running totals of one stand-in. */
export interface FakeCounters {
  /** HTTP requests of every kind. */
  requests: number;
  /** Inference requests accepted (not refused for their content, a status fault or a full queue). */
  executions: number;
  /** Inference requests holding a slot now. */
  running: number;
  /** Inference requests accepted that have no slot yet. */
  waiting: number;
  completed: number;
  aborted: number;
  peakRunning: number;
  /** Model loads begun, also those given up. */
  loads: number;
}

/** An inference request understood. */
export interface Job extends PieceJob {
  model: StoredModel;
  /** The model's name as the client sent it. */
  requested: string;
  stream: boolean;
  keepAliveMs: number | undefined;
  arrivedAt: number;
}

/** Earlier executions are forgotten beyond this many, so that a long benchmark does not fill the memory. */
const rememberedExecutions = 100_000;

export class Engine {
  readonly counters: FakeCounters = {
    requests: 0,
    executions: 0,
    running: 0,
    waiting: 0,
    completed: 0,
    aborted: 0,
    peakRunning: 0,
    loads: 0,
  };
  readonly executions: FakeExecution[] = [];
  readonly faults = new FaultQueue();
  readonly runners: Runners;
  readonly settings: EngineSettings;

  constructor(settings: EngineSettings) {
    this.settings = settings;
    this.runners = new Runners(settings, this.counters);
  }

  /** Brings the model into memory and runs nothing: Ollama's load request, for the model as `requested`. */
  async loadOnly(
    exchange: Exchange,
    model: StoredModel,
    requested: string,
    keepAliveMs: number | undefined,
  ): Promise<void> {
    const fault = this.faults.take({ path: exchange.request.path, inference: true, model: requested });
    const pause = new Pause(exchange.gone);
    if (fault !== undefined) await refuseBeforeRunning(fault, requested, pause);
    this.runners.admit(model);
    if (fault !== undefined) await beforeFirstByte(exchange, fault, pause);
    this.runners.idle(await this.runners.load(model, keepAliveMs, pause));
  }

  /** Runs a generation and answers it in `voice`. @throws Refusal for what goes wrong before the first byte. */
  async generate(exchange: Exchange, job: Job, voice: Voice): Promise<void> {
    await this.#execute(exchange, job, (course) => speak(exchange, job, voice, course, this.settings));
  }

  /**
   * Runs something that has one answer, such as an embedding; `answer` gets the load time in ms.
   * `failureStatus` is the route's status for a failing model.
   */
  async compute(
    exchange: Exchange,
    job: Job,
    failureStatus: number,
    answer: (loadMs: number) => { headers: Record<string, string>; body: string },
  ): Promise<void> {
    await this.#execute(exchange, job, async ({ fault, pause, loadedAt }) => {
      if (fault?.kind === "slow") await pause.sleep(fault.msPerToken);
      if (fault?.kind === "hangAfterTokens") await exchange.hang();
      if (fault?.kind === "errorAfterTokens" || fault?.kind === "runnerCrash") {
        throw new Refusal(failureStatus, faultText(fault, job.requested));
      }
      const { headers, body } = answer(loadedAt - job.arrivedAt);
      if (fault?.kind === "malformedAfterTokens") {
        await exchange.send(200, headers, fault.line ?? halved(body));
        throw new ExchangeOver("cut");
      }
      await exchange.send(200, headers, body);
    });
  }

  /** The common course of every inference request; whatever happens, the slot is given back and the books are kept. */
  async #execute(exchange: Exchange, job: Job, work: (course: Course) => Promise<void>): Promise<void> {
    const { path, headers } = exchange.request;
    const fault = this.faults.take({ path, inference: true, model: job.requested, stream: job.stream });
    const pause = new Pause(exchange.gone);
    if (fault !== undefined) await refuseBeforeRunning(fault, job.requested, pause);
    this.runners.admit(job.model);
    const requestId = headerOf({ headers }, "x-request-id") ?? null;
    const execution = this.#record({ ...job, route: path, model: job.requested, requestId });
    let runner: Runner | undefined;
    try {
      if (fault !== undefined) await beforeFirstByte(exchange, fault, pause);
      const loading = await this.runners.load(job.model, job.keepAliveMs, pause);
      const loadedAt = performance.now();
      await this.runners.acquire(loading, pause);
      runner = loading;
      const slotAt = performance.now();
      this.#startRunning();
      if (fault?.kind === "hangBeforeHeaders") await exchange.hang();
      if (this.settings.firstTokenMs > 0) await pause.sleep(this.settings.firstTokenMs);
      await work({ execution, pause, fault, loadedAt, slotAt, evaluatedAt: performance.now() });
      execution.outcome = "completed";
      this.counters.completed += 1;
    } catch (error) {
      this.#recordFailure(execution, error);
      throw error;
    } finally {
      if (runner === undefined) this.counters.waiting -= 1;
      else {
        this.counters.running -= 1;
        this.runners.release(runner);
      }
    }
  }

  #record(entry: Omit<FakeExecution, "tokensSent" | "outcome">): FakeExecution {
    const { route, model, prompt, seed, requestId } = entry;
    const execution: FakeExecution = { route, model, prompt, seed, requestId, tokensSent: 0, outcome: "running" };
    this.executions.push(execution);
    if (this.executions.length > rememberedExecutions * 1.1) {
      this.executions.splice(0, this.executions.length - rememberedExecutions);
    }
    this.counters.executions += 1;
    this.counters.waiting += 1;
    return execution;
  }

  #startRunning(): void {
    this.counters.waiting -= 1;
    this.counters.running += 1;
    this.counters.peakRunning = Math.max(this.counters.peakRunning, this.counters.running);
  }

  #recordFailure(execution: FakeExecution, error: unknown): void {
    const left = error instanceof ExchangeOver && error.reason === "gone";
    execution.outcome = left ? "aborted" : "faulted";
    if (!left) return;
    execution.abortedAt = performance.now();
    this.counters.aborted += 1;
  }
}

/** @throws Refusal where `fault` is an error answer that comes instead of running anything. */
async function refuseBeforeRunning(fault: FakeFault, requested: string, pause: Pause): Promise<void> {
  if (!refusesBeforeRunning(fault)) return;
  await pause.sleep(fault.delayMs ?? 0);
  throw new Refusal(fault.kind === "status" ? fault.status : 500, faultText(fault, requested));
}

/** Faults that act on the connection before any byte, or arm it for later bytes; for any route. */
export async function beforeFirstByte(exchange: Exchange, fault: FakeFault, pause: Pause): Promise<void> {
  if (fault.delayMs !== undefined) await pause.sleep(fault.delayMs);
  switch (fault.kind) {
    case "resetBeforeResponse":
      return exchange.cut("reset");
    case "closeBeforeResponse":
      return exchange.cut("close");
    case "hangAfterHeaders":
      return exchange.arm({ how: "hang" });
    case "resetAfterBytes":
      return exchange.arm({ how: "reset", bytes: fault.bytes });
    case "closeAfterBytes":
      return exchange.arm({ how: "close", bytes: fault.bytes });
    case "closeCleanly":
      return exchange.arm({ how: "end", bytes: fault.bytes });
    default:
      return;
  }
}

/** Whether the fault is an error answer that comes instead of running anything. */
export function refusesBeforeRunning(fault: FakeFault): boolean {
  if (fault.kind === "runnerCrash") return fault.tokens === undefined;
  return fault.kind === "status" || fault.kind === "outOfMemory";
}
