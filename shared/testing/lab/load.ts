/** Clients: operations of all kinds at a steady rate, or so many at once, chosen by a seed. */
import type { Arena } from "./arena.ts";
import { ask, type Wish } from "./ask.ts";
import { KINDS, type Kind, type Operation } from "./history.ts";
import type { Random } from "./seeded_random.ts";

export interface LoadPlan {
  /** Begins the ids of its operations; unique within the arena. */
  readonly name: string;
  readonly random: Random;
  readonly kinds?: readonly Kind[];
  readonly model?: string;
  /** Share that streams; default one half. */
  readonly streams?: number;
  /** Share that leaves early; default none. */
  readonly aborts?: number;
  /** Milliseconds until those leave, at least and at most. */
  readonly leaveMs?: readonly [number, number];
  /** Tokens, at least and at most. */
  readonly tokens?: readonly [number, number];
  /** Milliseconds after which a client calls it a hang; default 60,000. */
  readonly hangMs?: number;
}

export interface Load {
  /** Starts no more, and resolves when all that were started have ended. */
  stop(): Promise<void>;
  /** Operations started so far. */
  readonly started: number;
  /** Those not ended yet. */
  readonly open: number;
}

/** Makes the wishes of a plan, one after another. */
export function wishes({ name, random, ...plan }: LoadPlan): () => Wish {
  const { kinds = KINDS, model = "llama3", streams = 0.5, aborts = 0, hangMs = 60_000 } = plan;
  const [fewest, most] = plan.tokens ?? [5, 30];
  const [soonest, latest] = plan.leaveMs ?? [1, 300];
  let count = 0;
  return () => {
    count += 1;
    return {
      id: `${name}-${count}`,
      kind: random.pick(kinds),
      stream: random.chance(streams),
      tokens: random.whole(fewest, most),
      seed: random.whole(0, 1_000_000),
      model,
      leaveAfterMs: random.chance(aborts) ? random.between(soonest, latest) : null,
      hangMs,
    };
  };
}

/** `rate` operations a second, whatever becomes of the earlier ones, unevenly as strangers come. */
export function steadyLoad(arena: Arena, rate: number, plan: LoadPlan): Load {
  const wish = wishes(plan);
  const running = new Set<Promise<Operation>>();
  const random = plan.random.fork(`${plan.name}/pace`);
  let due = performance.now();
  let going = true;
  let started = 0;
  const pace = (async () => {
    while (going) {
      // Exponential gaps: a Poisson stream.
      due += (-Math.log(1 - random.next()) * 1000) / rate;
      const wait = due - performance.now();
      if (wait > 0) await Bun.sleep(wait);
      if (!going) return;
      started += 1;
      const operation = ask(arena.url, wish(), arena.operations);
      running.add(operation);
      void operation.finally(() => running.delete(operation));
    }
  })();
  return {
    async stop() {
      going = false;
      await pace;
      await Promise.all(running);
    },
    get started() {
      return started;
    },
    get open() {
      return running.size;
    },
  };
}

/** `clients` clients, each asking again as soon as it has its answer. */
export function closedLoad(arena: Arena, clients: number, plan: LoadPlan): Load {
  const wish = wishes(plan);
  let going = true;
  let started = 0;
  let open = 0;
  const all = Array.from({ length: clients }, async () => {
    while (going) {
      started += 1;
      open += 1;
      await ask(arena.url, wish(), arena.operations);
      open -= 1;
    }
  });
  return {
    async stop() {
      going = false;
      await Promise.all(all);
    },
    get started() {
      return started;
    },
    get open() {
      return open;
    },
  };
}
