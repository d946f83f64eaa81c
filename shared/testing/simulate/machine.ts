/**
 * One machine with an Ollama, in virtual time: what it has in memory, what it loads and evicts, and how fast answers come
 * while several share it. The rules are those of Ollama's scheduler; time is in milliseconds.
 */

export interface ModelSpec {
  readonly name: string;
  /** GB of its weights. */
  readonly gb: number;
}

export interface MachineSpec {
  readonly id: string;
  /** GB that models in memory may take. */
  readonly memoryGb: number;
  /** GB a second at which weights come from disk. */
  readonly diskGbPerSecond: number;
  /** Tokens a second of a prompt, for a model of 1 GB; a model of n GB is n times slower. */
  readonly promptSpeed: number;
  /** Tokens a second of an answer, alone, for a model of 1 GB. */
  readonly answerSpeed: number;
  /** `OLLAMA_NUM_PARALLEL`: requests at work at once for each model in memory. */
  readonly parallel: number;
  /** What its agent reports as its slots. */
  readonly slots: number;
  /** `OLLAMA_MAX_LOADED_MODELS`. */
  readonly maxLoaded: number;
  /** Whether answers come from the processor whose load the agent reports. */
  readonly cpuOnly: boolean;
  readonly models: readonly ModelSpec[];
}

/** One request, as a machine sees it. */
export interface Work {
  readonly id: number;
  readonly model: string;
  /** The context it asks for, or null for the machine's default; another one than the loaded has the model loaded anew. */
  readonly context: number | null;
  readonly promptTokens: number;
  /** Of those the ones that the conversation's last turn left in the cache of the runner that answered it. */
  readonly knownTokens: number;
  readonly outputTokens: number;
  readonly conversation: number | null;
}

/** The durations that end an answer of Ollama's. */
export interface WorkTimes {
  readonly totalMs: number;
  readonly loadMs: number;
  readonly promptMs: number;
  readonly answerMs: number;
}

export interface MachineEvents {
  firstToken(work: Work): void;
  ended(work: Work, times: WorkTimes): void;
}

/** Part of a request's work that does not run beside others': the middle of the 0.39 to 0.54 measured with Ollama. */
export const SERIAL_SHARE = 0.45;
/** Milliseconds an unused model stays in memory: `OLLAMA_KEEP_ALIVE`. */
export const KEEP_ALIVE_MS = 300_000;
/** Tokens of context where a request asks for none: Ollama's default below 23 GiB of video memory. */
export const DEFAULT_CONTEXT = 4096;
/** GB that a token of context takes for each GB of weights: 0.13 MB for 8 billion parameters in 4.9 GB. */
const CONTEXT_GB = 0.000027;
/** Milliseconds a load takes besides reading the weights, and an eviction before the next load may begin. */
const START_MS = 1_000;
const SETTLE_MS = 500;
/** Milliseconds that are a rounding. */
const EPSILON_MS = 1e-6;

interface Running {
  readonly work: Work;
  readonly arrivedAt: number;
  readyAt: number;
  startedAt: number;
  firstAt: number;
  /** Milliseconds of prompt and of answer that are left, if it were alone. */
  prompt: number;
  answer: number;
  /** Its client is gone; only the load that it began goes on. */
  left: boolean;
}

interface Runner {
  readonly model: string;
  readonly context: number;
  readonly gb: number;
  readonly active: Running[];
  /** They wait for one of `parallel` places. */
  readonly waiting: Running[];
  lastUsedAt: number;
  /** To be evicted as soon as nobody uses it. */
  leaving: boolean;
  /** Of the last `parallel` requests: whose conversation, and how many tokens of it are in the cache; newest last. */
  cache: { readonly conversation: number | null; readonly tokens: number }[];
}

interface State {
  now: number;
  runners: Runner[];
  /** Those that need a load, in their order. The first one's is under way while `busyUntil` is set. */
  pending: Running[];
  busyUntil: number | null;
  loading: boolean;
  loads: number;
  /** Milliseconds of work done, as if each request had been alone. */
  done: number;
}

export interface Machine {
  readonly spec: MachineSpec;
  /** When something happens by itself next; null when nothing does. */
  nextAt(): number | null;
  /** Lets time pass up to `until`, in which nothing happens before nextAt(), and has happen what is due. */
  advance(until: number): void;
  /** Takes a request at `now`. */
  submit(work: Work, now: number): void;
  /** A client has left. A load that its request began goes on, which is more than Ollama does. */
  cancel(id: number, now: number): void;
  /** Names of the models in memory, and of the one on its way there. */
  loaded(): string[];
  loading(): string | null;
  /** Loads begun so far. */
  readonly loads: number;
  /** Milliseconds of work done so far, as if each request had been alone. */
  readonly done: number;
  /** Requests it has, at work or not; those of them without a first token; those at work. */
  readonly requests: number;
  readonly withoutFirstToken: number;
  readonly active: number;
  /** The same machine once more, to see what would become of it. */
  copy(events: MachineEvents): Machine;
}

/** GB that a model takes in memory with `parallel` contexts of so many tokens. */
export function memoryOf(model: ModelSpec, context: number, parallel: number): number {
  return model.gb * (1 + CONTEXT_GB * context * parallel);
}

/** Milliseconds that bringing `model` into memory takes. */
export function loadMs(spec: MachineSpec, model: ModelSpec): number {
  return START_MS + (model.gb / spec.diskGbPerSecond) * 1000;
}

/** Speed of each of `count` that generate at once, 1 being alone: Amdahl's law. */
function sharedSpeed(count: number, serialShare: number): number {
  return 1 / (1 + serialShare * (count - 1));
}

/** An idle machine with nothing in memory. `from` is the state of another one to go on from. */
export function createMachine(
  spec: MachineSpec,
  events: MachineEvents,
  serialShare = SERIAL_SHARE,
  from?: State,
): Machine {
  const state: State = from ?? {
    now: 0,
    runners: [],
    pending: [],
    busyUntil: null,
    loading: false,
    loads: 0,
    done: 0,
  };
  const models = new Map(spec.models.map((model) => [model.name, model]));

  function modelOf(name: string): ModelSpec {
    const model = models.get(name);
    if (!model) throw new Error(`${spec.id} has no ${name}`);
    return model;
  }

  const active = () => state.runners.reduce((sum, runner) => sum + runner.active.length, 0);
  const contextOf = ({ context }: Work) => context ?? DEFAULT_CONTEXT;
  const users = ({ active, waiting }: Runner) => active.length + waiting.length;

  /** A prompt takes all of the processor, so those at work share it evenly; answers share it better. */
  const promptRate = (count: number) => sharedSpeed(count, serialShare === 0 ? 0 : 1);

  function work(until: number): void {
    const ms = until - state.now;
    state.now = until;
    if (ms <= 0) return;
    const count = active();
    if (count === 0) return;
    const [promptMs, answerMs] = [ms * promptRate(count), ms * sharedSpeed(count, serialShare)];
    for (const runner of state.runners) {
      for (const running of runner.active) {
        const ran = running.prompt > 0 ? promptMs : answerMs;
        if (running.prompt > 0) running.prompt -= ran;
        else running.answer -= ran;
        state.done += ran;
      }
    }
  }

  function begin(runner: Runner, running: Running): void {
    const model = modelOf(runner.model);
    const { work } = running;
    const known = runner.cache.findIndex(
      ({ conversation }) => conversation !== null && conversation === work.conversation,
    );
    const cached = known < 0 ? 0 : Math.min(work.knownTokens, runner.cache[known]?.tokens ?? 0);
    // Its place in the cache is taken from the same conversation, else from the one that used one longest ago.
    if (known >= 0) runner.cache.splice(known, 1);
    else if (runner.cache.length >= spec.parallel) runner.cache.shift();
    running.startedAt = state.now;
    running.prompt = (Math.max(1, work.promptTokens - cached) * model.gb * 1000) / spec.promptSpeed;
    running.answer = (work.outputTokens * model.gb * 1000) / spec.answerSpeed;
    runner.active.push(running);
  }

  function attach(runner: Runner, running: Running): void {
    running.readyAt = state.now;
    if (runner.active.length < spec.parallel) begin(runner, running);
    else runner.waiting.push(running);
  }

  function release(runner: Runner): void {
    runner.lastUsedAt = state.now;
    const next = runner.active.length < spec.parallel ? runner.waiting.shift() : undefined;
    if (next) begin(runner, next);
    if (runner.leaving && users(runner) === 0) unload(runner);
  }

  function unload(runner: Runner): void {
    state.runners.splice(state.runners.indexOf(runner), 1);
  }

  const used = () => state.runners.reduce((sum, { gb }) => sum + gb, 0);

  /** One load at a time, in the order in which they were asked for; whoever needs one waits behind. */
  function schedule(): void {
    while (state.busyUntil === null) {
      const [next] = state.pending;
      if (!next) return;
      const same = state.runners.find(({ model }) => model === next.work.model);
      if (same && same.context === contextOf(next.work)) {
        state.pending.shift();
        attach(same, next);
        continue;
      }
      const model = modelOf(next.work.model);
      const gb = memoryOf(model, contextOf(next.work), spec.parallel);
      const fits = state.runners.length < spec.maxLoaded && used() + gb <= spec.memoryGb;
      if (!same && (fits || state.runners.length === 0)) {
        state.busyUntil = state.now + loadMs(spec, model);
        state.loading = true;
        state.loads++;
        return;
      }
      const leaving = same ?? leastRecentlyUsed();
      if (!leaving) return;
      leaving.leaving = true;
      // It is waited for. Meanwhile requests for it are still let in: only those that need a load wait in line.
      if (users(leaving) > 0) return;
      unload(leaving);
      state.busyUntil = state.now + SETTLE_MS;
    }
  }

  function leastRecentlyUsed(): Runner | undefined {
    let found: Runner | undefined;
    for (const runner of state.runners) {
      if (runner.leaving) return runner;
      const [idle, foundIdle] = [users(runner) === 0, found !== undefined && users(found) === 0];
      if (!found || (idle && !foundIdle) || (idle === foundIdle && runner.lastUsedAt < found.lastUsedAt))
        found = runner;
    }
    return found;
  }

  function endLoad(): void {
    state.busyUntil = null;
    if (!state.loading) return;
    state.loading = false;
    const first = state.pending.shift();
    if (!first) return;
    const { work } = first;
    const gb = memoryOf(modelOf(work.model), contextOf(work), spec.parallel);
    const runner: Runner = {
      model: work.model,
      context: contextOf(work),
      gb,
      active: [],
      waiting: [],
      lastUsedAt: state.now,
      leaving: false,
      cache: [],
    };
    state.runners.push(runner);
    if (!first.left) attach(runner, first);
  }

  function finishPhases(): void {
    for (const runner of [...state.runners]) {
      for (const running of [...runner.active]) {
        if (running.prompt > EPSILON_MS) continue;
        if (running.firstAt === 0) {
          running.prompt = 0;
          running.firstAt = state.now;
          events.firstToken(running.work);
        }
        if (running.answer > EPSILON_MS) continue;
        runner.active.splice(runner.active.indexOf(running), 1);
        runner.cache.push({
          conversation: running.work.conversation,
          tokens: running.work.promptTokens + running.work.outputTokens,
        });
        release(runner);
        events.ended(running.work, {
          totalMs: state.now - running.arrivedAt,
          loadMs: running.readyAt - running.arrivedAt,
          promptMs: running.firstAt - running.startedAt,
          answerMs: state.now - running.firstAt,
        });
      }
    }
  }

  function nextAt(): number | null {
    let next = state.busyUntil ?? Number.POSITIVE_INFINITY;
    const count = active();
    const [prompts, answers] = [promptRate(count), sharedSpeed(count, serialShare)];
    for (const runner of state.runners) {
      for (const { prompt, answer } of runner.active) {
        next = Math.min(next, state.now + (prompt > 0 ? prompt / prompts : Math.max(0, answer) / answers));
      }
      if (users(runner) === 0) next = Math.min(next, runner.lastUsedAt + KEEP_ALIVE_MS);
    }
    return next === Number.POSITIVE_INFINITY ? null : Math.max(next, state.now);
  }

  function advance(until: number): void {
    work(until);
    if (state.busyUntil !== null && state.now >= state.busyUntil - EPSILON_MS) endLoad();
    finishPhases();
    for (const runner of [...state.runners]) {
      if (users(runner) === 0 && state.now >= runner.lastUsedAt + KEEP_ALIVE_MS - EPSILON_MS) unload(runner);
    }
    schedule();
  }

  function withdraw(list: Running[], id: number): boolean {
    const index = list.findIndex(({ work }) => work.id === id);
    if (index >= 0) list.splice(index, 1);
    return index >= 0;
  }

  return {
    spec,
    nextAt,
    advance,

    submit(work: Work, now: number): void {
      advance(now);
      const running: Running = {
        work,
        arrivedAt: now,
        readyAt: 0,
        startedAt: 0,
        firstAt: 0,
        prompt: 0,
        answer: 0,
        left: false,
      };
      const runner = state.runners.find(({ model }) => model === work.model);
      if (runner && runner.context === contextOf(work)) attach(runner, running);
      else state.pending.push(running);
      schedule();
    },

    cancel(id: number, now: number): void {
      advance(now);
      const [first] = state.pending;
      if (first?.work.id === id && state.loading) first.left = true;
      else withdraw(state.pending, id);
      for (const runner of [...state.runners]) {
        if (withdraw(runner.waiting, id) || withdraw(runner.active, id)) release(runner);
      }
      schedule();
    },

    loaded: (): string[] => state.runners.map(({ model }) => model),
    loading: (): string | null => (state.loading ? (state.pending[0]?.work.model ?? null) : null),

    get loads() {
      return state.loads;
    },
    get done() {
      return state.done;
    },
    get requests() {
      return state.pending.length + state.runners.reduce((sum, runner) => sum + users(runner), 0);
    },
    get withoutFirstToken() {
      const lists = state.runners.flatMap(({ active, waiting }) => [...active, ...waiting]);
      return [...lists, ...state.pending].filter(({ firstAt, left }) => firstAt === 0 && !left).length;
    },
    get active() {
      return active();
    },

    copy: (others: MachineEvents): Machine =>
      createMachine(spec, others, serialShare, {
        ...state,
        pending: state.pending.map((running) => ({ ...running })),
        runners: state.runners.map((runner) => ({
          ...runner,
          active: runner.active.map((running) => ({ ...running })),
          waiting: runner.waiting.map((running) => ({ ...running })),
          cache: [...runner.cache],
        })),
      }),
  };
}
