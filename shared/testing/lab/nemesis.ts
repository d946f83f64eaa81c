/** The adversary: what goes wrong, where and for how long, chosen by the seed. Each step heals what it has done. */
import { type Arena, type ArenaNode, isReady } from "./arena.ts";
import type { Firewall } from "./firewall.ts";
import type { Random } from "./seeded_random.ts";

/** One kind of trouble. `run` resolves when it is over. */
export interface Trouble {
  readonly name: string;
  readonly needs: "firewall" | "proxy" | null;
  /** How often it is chosen, beside the others. */
  readonly weight: number;
  run(scene: Scene): Promise<void>;
}

export interface Scene {
  readonly arena: Arena;
  readonly victim: ArenaNode;
  readonly random: Random;
  readonly firewall: Firewall | null;
}

const rest = (random: Random, low: number, high: number) => Bun.sleep(random.between(low, high));

/** Packets of one or both directions vanish for a while. */
function partition(name: string, what: (node: ArenaNode) => Parameters<Firewall["drop"]>[0]): Trouble {
  return {
    name,
    needs: "firewall",
    weight: 2,
    async run({ victim, random, firewall }) {
      const healed = await firewall?.drop(what(victim));
      await rest(random, 500, 5000);
      await healed?.();
    },
  };
}

/** The victim's proxies do something for a while. */
function spoil(name: string, how: (random: Random) => Partial<ArenaNode["proxies"][number]["control"]>): Trouble {
  return {
    name,
    needs: "proxy",
    weight: 2,
    async run({ victim, random }) {
      for (const { control } of victim.proxies) Object.assign(control, how(random));
      await rest(random, 500, 4000);
      for (const proxy of victim.proxies) proxy.heal();
    },
  };
}

/** The victim's Ollama treats its next requests badly. */
function fault(name: string, make: (random: Random) => Parameters<ArenaNode["ollama"]["fault"]>[0]): Trouble {
  return {
    name,
    needs: null,
    weight: 1,
    async run({ victim, random }) {
      victim.ollama.fault({ ...make(random), times: random.whole(1, 4) });
      await rest(random, 200, 1500);
      victim.ollama.clearFaults();
    },
  };
}

const TROUBLES: readonly Trouble[] = [
  {
    name: "kill -9 of an agent",
    needs: null,
    weight: 4,
    async run({ victim, random }) {
      await victim.end("SIGKILL");
      await rest(random, 100, 2500);
      await victim.start();
    },
  },
  {
    name: "SIGTERM of an agent",
    needs: null,
    weight: 3,
    async run({ victim, random }) {
      await victim.end("SIGTERM");
      await rest(random, 0, 1000);
      await victim.start();
    },
  },
  {
    name: "agent frozen",
    needs: null,
    weight: 3,
    async run({ victim, random }) {
      victim.freeze();
      await rest(random, 300, random.chance(0.1) ? 18_000 : 4000);
      victim.thaw();
    },
  },
  {
    name: "hub frozen",
    needs: null,
    weight: 1,
    async run({ arena, random }) {
      process.kill(arena.hub.pid, "SIGSTOP");
      await rest(random, 200, 2500);
      process.kill(arena.hub.pid, "SIGCONT");
    },
  },
  {
    name: "hub restarted (SIGTERM)",
    needs: null,
    weight: 1,
    async run({ arena }) {
      await arena.restartHub("SIGTERM");
      // Others may be in trouble too; then it is not this one's business to wait for them.
      await arena.until((seen) => seen.filter(isReady).length >= arena.nodes.length / 2, 10_000).catch(() => {});
    },
  },
  {
    name: "wall clock of the hub stepped",
    needs: null,
    weight: 1,
    async run({ arena }) {
      process.kill(arena.hub.pid, "SIGUSR2");
    },
  },
  partition("partition hub → node", (node) => node.packets("to")),
  partition("partition node → hub", (node) => node.packets("from")),
  partition("partition both ways", (node) => [
    ...node.packets("to"),
    ...node.packets("from"),
    ...node.heartbeats("to"),
    ...node.heartbeats("from"),
  ]),
  partition("heartbeats lost", (node) => node.heartbeats("to")),
  partition("IPv6 black hole", (node) => node.packets("to", ["IPv6"])),
  spoil("slow and uneven", (random) => ({ delayMs: random.between(50, 400), jitterMs: random.between(0, 200) })),
  spoil("narrow", (random) => ({ bytesPerSecond: random.between(1000, 20_000) })),
  spoil("reset at byte n", (random) => ({ resetAfter: random.whole(0, 3000) })),
  spoil("closed at byte n", (random) => ({ endAfter: random.whole(0, 3000) })),
  spoil("prompts vanish", () => ({ swallow: ["there"] })),
  spoil("answers vanish", () => ({ swallow: ["back"] })),
  fault("Ollama hangs", () => ({ kind: "hangBeforeHeaders" })),
  fault("Ollama hangs after tokens", (random) => ({ kind: "hangAfterTokens", tokens: random.whole(0, 20) })),
  fault("Ollama's runner crashes", (random) => ({ kind: "runnerCrash", tokens: random.whole(0, 20) })),
  fault("Ollama out of memory", () => ({ kind: "outOfMemory" })),
  fault("Ollama answers 500", () => ({ kind: "status", status: 500 })),
  fault("Ollama answers 503", () => ({ kind: "status", status: 503 })),
  fault("Ollama resets", (random) => ({ kind: "resetAfterBytes", bytes: random.whole(0, 2000) })),
  fault("Ollama's answer ends early", (random) => ({ kind: "closeCleanly", bytes: random.whole(1, 2000) })),
  fault("Ollama reports an error", (random) => ({ kind: "errorAfterTokens", tokens: random.whole(0, 20) })),
];

/** Makes trouble, one or two at once, until `until` (monotonic ms). Resolves with how often each kind was made. */
export async function makeTrouble(
  arena: Arena,
  firewall: Firewall | null,
  random: Random,
  until: number,
  say: (text: string) => void,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const busy = new Set<string>();
  async function hand(mine: Random): Promise<void> {
    while (performance.now() < until) {
      await rest(mine, 100, 1200);
      const victim = mine.pick(arena.nodes);
      const possible = TROUBLES.filter(
        ({ needs }) => needs === null || (needs === "firewall" ? firewall !== null : victim.proxies.length > 0),
      );
      const trouble = mine.pick(possible.flatMap((each) => Array<Trouble>(each.weight).fill(each)));
      // Two hands on one machine would undo each other's work.
      const place = /hub (frozen|restarted)|wall clock/.test(trouble.name) ? "hub" : victim.id;
      if (busy.has(place)) continue;
      busy.add(place);
      counts.set(trouble.name, (counts.get(trouble.name) ?? 0) + 1);
      say(`${(performance.now() / 1000).toFixed(1)} s: ${trouble.name} at ${place}`);
      await trouble.run({ arena, victim, random: mine, firewall });
      busy.delete(place);
    }
  }
  await Promise.all([hand(random.fork("left hand")), hand(random.fork("right hand"))]);
  return counts;
}
