/** What it costs a request that the node it was given cannot be reached, breaks, or is frozen: each fault many times. */
import { type Arena, type ArenaNode, openArena } from "../arena.ts";
import { ask } from "../ask.ts";
import type { Firewall } from "../firewall.ts";
import { KINDS, type Operation } from "../history.ts";
import { delayFigure, type Figure, findings, judge, quantile, type Scenario } from "../scenario.ts";

/** Nodes that get the faults; each has a model of its own, which the sound node has as well. */
const VICTIMS = ["one", "two", "three"];
const PROXIED = "four";
/** Streams that keep the sound node busier than the victims, so that these are chosen first. */
const HELD = 16;
const SLOTS = 32;
/** Milliseconds the hub may take to notice that a route works again: a node without work is probed every 30 s. */
const NOTICE_MS = 40_000;

/** Milliseconds after which TCP has sent again what a black hole of about three seconds took. */
const RETRANSMISSIONS_MS = 4_000;

/** What the measurements of one arena share. */
interface Bench {
  readonly arena: Arena;
  readonly firewall: Firewall;
  readonly added: Record<string, number[]>;
  /** Asks once for the model of `node`; the operation. */
  once(node: ArenaNode): Promise<Operation>;
  /** Milliseconds an answer takes when nothing is wrong. */
  baseline: number;
}

const took = (operation: Operation) => (operation.endedAt ?? Number.NaN) - operation.startedAt;

export const failover: Scenario = {
  name: "failover",
  title: "time added by a node that refuses, resets, is black-holed or frozen",
  needsNamespace: "its faults are packets dropped and refused by a firewall",
  async run(lab) {
    if (lab.firewall === null) throw new Error("no firewall");
    const all = [...VICTIMS, PROXIED];
    const sound = { id: "sound", slots: SLOTS, ollama: { tokensPerSecond: 4, models: [...all, "hold"] } };
    const plans = all.map((id) => {
      const ollama = { tokensPerSecond: 4, models: [id, `hold-${id}`] };
      return { id, slots: SLOTS, proxied: id === PROXIED, ollama };
    });
    // By what it measured of them the hub would soon choose a victim no more, and nothing would be added.
    await using arena = await openArena(lab.ground, [...plans, sound], { LB_POLICY: "least-busy" });
    const random = lab.random("failover");
    let count = 0;
    const wish = (model: string, tokens: number, stream: boolean) => {
      count += 1;
      const kind = tokens > 1 ? "generate" : random.pick(KINDS);
      return { id: `f-${count}`, kind, stream, tokens, seed: count, model, leaveAfterMs: null, hangMs: 120_000 };
    };
    // They run until the arena closes; a stream on each victim makes the hub watch it closely.
    const held: Operation[] = [];
    for (let at = 0; at < HELD; at++) void ask(arena.url, wish("hold", 100_000, true), held);
    const hold = (id: string) => void ask(arena.url, wish(`hold-${id}`, 100_000, true), held);
    for (const id of all) hold(id);
    await arena.until((seen) => seen.reduce((sum, node) => sum + node.active_jobs, 0) === HELD + all.length);

    const once = ({ id }: ArenaNode) => ask(arena.url, wish(id, 1, random.chance(0.5)), arena.operations);
    const bench: Bench = { arena, firewall: lab.firewall, added: {}, once, baseline: 0 };
    const quiet: number[] = [];
    for (let at = 0; at < 60; at++) quiet.push(took(await once(arena.node(random.pick(all)))));
    bench.baseline = quantile(quiet, 0.5);

    await refusedOrReset(bench, lab.pick(40, 200, 500));
    const rounds = lab.pick(2, 4, 20);
    await blackHoles(bench, rounds);
    await frozen(bench, lab.pick(1, 1, 3), hold);
    const figures = figuresOf(bench, quiet);
    // The held streams are the lab's own and end with the arena; what runs for them is no orphan.
    const violations = (await judge(arena, { nothingLost: true }, 100)).filter(
      ({ operation }) => !held.some(({ id }) => id === operation),
    );
    return findings(arena, figures, violations, notesOf(bench));
  },
};

/** Adds what `operation` took beyond the usual to the samples of `name`, if it was given to a victim first. */
function add(bench: Bench, name: string, operation: Operation, attempts: number): void {
  if (operation.attempts !== attempts || operation.outcomes[0] !== "whole") return;
  bench.added[name] ??= [];
  bench.added[name].push(took(operation) - bench.baseline);
}

async function refusedOrReset(bench: Bench, times: number): Promise<void> {
  const { arena, firewall, once } = bench;
  const proxied = arena.node(PROXIED);
  for (let at = 0; at < times; at++) {
    const victim = arena.node(VICTIMS[at % VICTIMS.length] ?? "");
    const healed = await firewall.refuse(victim.packets("to"));
    add(bench, "refused", await once(victim), 2);
    await healed();
    // Two good answers for each failure: half of ten would eject it.
    for (let good = 0; good < 2; good++) await once(victim);
    for (const { control } of proxied.proxies) control.resetAfter = 0;
    add(bench, "reset", await once(proxied), 2);
    for (const proxy of proxied.proxies) proxy.heal();
    for (let good = 0; good < 2; good++) await once(proxied);
  }
}

async function blackHoles(bench: Bench, rounds: number): Promise<void> {
  const { arena, firewall, once } = bench;
  const victims = VICTIMS.map((id) => arena.node(id));
  const isOpen = ({ reachable }: { reachable: boolean | null }) => reachable !== false;
  const allOpen = () =>
    arena.until(
      (seen) => seen.every(({ node_id, routes }) => !VICTIMS.includes(node_id) || routes.every(isOpen)),
      NOTICE_MS,
    );
  for (let round = 0; round < rounds; round++) {
    await allOpen();
    const healed = await firewall.drop(victims.flatMap((victim) => victim.packets("to", ["IPv6"])));
    await Promise.all(
      victims.map(async (victim) => {
        add(bench, "IPv6 black hole, first", await once(victim), 1);
        for (let next = 0; next < 5; next++) add(bench, "IPv6 black hole, next", await once(victim), 1);
      }),
    );
    await healed();
    await allOpen();
    const open = await firewall.drop(victims.flatMap((victim) => victim.packets("to")));
    await Promise.all(victims.map(async (victim) => add(bench, "both black-holed", await once(victim), 2)));
    await open();
    for (const victim of victims) for (let good = 0; good < 2; good++) await once(victim);
  }
}

async function frozen(bench: Bench, rounds: number, hold: (id: string) => void): Promise<void> {
  const { arena, once } = bench;
  for (let round = 0; round < rounds; round++) {
    // What the kernel of a black-holed node still sends again would be heard from it after it froze.
    await Bun.sleep(RETRANSMISSIONS_MS);
    const victims = VICTIMS.map((id) => arena.node(id));
    for (const victim of victims) victim.freeze();
    const asked = victims.flatMap((victim) => Array.from({ length: HELD / 2 }, () => once(victim)));
    for (const operation of await Promise.all(asked)) add(bench, "frozen", operation, 2);
    for (const victim of victims) await victim.end("SIGKILL");
    for (const victim of victims) await victim.start();
    if (round + 1 === rounds) return;
    // The streams that kept the victims watched were lost with them; and a node that comes back is on trial.
    await arena.until((seen) => seen.every(({ models, trust }) => models.length > 0 && trust !== "ejected"));
    for (const victim of victims) for (let good = 0; good < 3; good++) await once(victim);
    for (const { id } of victims) hold(id);
  }
}

const FAULTS: readonly [name: string, what: string, targetMs: number][] = [
  ["refused", "connection refused", 50],
  ["reset", "reset before the answer", 50],
  ["IPv6 black hole, first", "IPv6 black hole, first request", 350],
  ["IPv6 black hole, next", "IPv6 black hole, the next ones", 5],
  ["both black-holed", "both families black-holed", 2600],
  ["frozen", "node frozen (SIGSTOP)", 16_000],
];

function figuresOf(bench: Bench, quiet: readonly number[]): Figure[] {
  const usual = quiet.map((ms) => ms - bench.baseline);
  return [
    delayFigure("no fault: deviation from the usual (the noise of this machine)", usual, null),
    ...FAULTS.map(([name, what, targetMs]) => delayFigure(`added, ${what}`, bench.added[name] ?? [], targetMs)),
  ];
}

function notesOf({ baseline, arena }: Bench): string[] {
  const second = arena.operations.filter(({ attempts }) => attempts > 1).length;
  return [
    `An answer of one token takes ${baseline.toFixed(1)} ms; ${second} operations needed more than one node.`,
    "A fault counts where the node that has it was really chosen first (X-Attempts).",
  ];
}
