/** Clients that never read, send a byte a second, say nothing, or send 32 MB: what they cost the hub, and everybody else. */
import { type Arena, openArena } from "../arena.ts";
import { steadyLoad } from "../load.ts";
import { openFiles, residentMb } from "../process_facts.ts";
import { type Rudeness, rudeClients } from "../rude_client.ts";
import { countFigure, type Figure, findings, judge, outcomesOf, type Scenario, safetyFigures } from "../scenario.ts";

const BODY_BYTES = 32e6;
const BODIES_AT_ONCE = 6;
/** MB that rude clients may cost, and seconds after which one that reads nothing is cut. */
const MOST_MB = 50;
const SLOW_READER_S = 60;

export const memory: Scenario = {
  name: "memory",
  title: "slow readers, slow senders, idle connections and 32 MB bodies beside ordinary requests",
  needsNamespace: null,
  async run(lab) {
    // Ordinary clients have a model and nodes of their own: this is about the hub's memory, not about who gets a slot.
    const usual = ["a", "b"].map((id) => ({ id, ollama: { tokensPerSecond: 100 } }));
    const flood = { id: "flood", slots: 64, ollama: { models: ["flood"] } };
    await using arena = await openArena(lab.ground, [...usual, flood]);
    const load = steadyLoad(arena, 10, { name: "beside", random: lab.random("memory") });
    await Bun.sleep(lab.pick(2000, 5000, 20_000));
    const figures: Figure[] = [];
    const count = lab.pick(100, 500, 1000);
    const endless = () => JSON.stringify({ model: "flood", prompt: "flood", options: { num_predict: 1e6 } });
    const readersS = lab.length === "short" ? 5 : SLOW_READER_S + 10;
    figures.push(
      ...(await rude(arena, lab.pick(20, 20, 50), "never reads", endless, readersS, lab.length !== "short")),
    );
    // The hub closes a connection that brings no request after half a minute.
    const idleS = lab.length === "long" ? 45 : 3;
    figures.push(...(await rude(arena, count, "sends slowly", endless, idleS, lab.length === "long")));
    figures.push(...(await rude(arena, count, "says nothing", endless, idleS, lab.length === "long")));
    figures.push(await largeBodies(arena, lab.pick(2, 4, 20)));
    await load.stop();
    const violations = await judge(arena, { nothingLost: true }, 10_000);
    figures.push(...safetyFigures(arena.operations, violations));
    return findings(arena, figures, violations, [
      `Beside it: ${outcomesOf(arena.operations)}; the hub ends with ${residentMb(arena.hub.pid).toFixed(0)} MB and ` +
        `${openFiles(arena.hub.pid)} file descriptors.`,
    ]);
  },
};

/** The hub's greatest resident memory, MB, while `work` goes on, beyond what it was before. */
async function cost(arena: Arena, work: Promise<unknown>): Promise<{ added: number; before: number }> {
  const before = residentMb(arena.hub.pid);
  let [most, going] = [before, true];
  const done = work.finally(() => {
    going = false;
  });
  while (going) {
    most = Math.max(most, residentMb(arena.hub.pid));
    await Bun.sleep(50);
  }
  await done;
  return { added: most - before, before };
}

/** Resolves when the flooded Ollama has said nothing for two seconds: every buffer on the way is full. */
async function stalled(arena: Arena): Promise<void> {
  const said = () => arena.node("flood").ollama.executions.reduce((sum, { tokensSent }) => sum + tokensSent, 0);
  for (let before = -1; before !== said(); ) {
    before = said();
    await Bun.sleep(2000);
  }
}

async function rude(
  arena: Arena,
  count: number,
  how: Rudeness,
  body: () => string,
  seconds: number,
  untilCut: boolean,
): Promise<Figure[]> {
  const filesBefore = openFiles(arena.hub.pid);
  using clients = rudeClients(arena.url, count, how, body);
  const reads = how !== "never reads";
  const time = reads || !untilCut ? Bun.sleep(seconds * 1000) : stalled(arena).then(() => Bun.sleep(seconds * 1000));
  const { added, before } = await cost(arena, time);
  const figures: Figure[] = [
    {
      what: `${count} connections, each ${how}: memory of the hub at most above before`,
      n: count,
      measured: `${added.toFixed(1)} MB (from ${before.toFixed(0)})`,
      target: `≤ ${MOST_MB} MB`,
      pass: added <= MOST_MB,
    },
  ];
  if (!untilCut) return figures;
  // A socket nobody reads does not notice its end: whether Ollama still works for it tells.
  if (reads) return [...figures, countFigure(`those not cut off after ${seconds} s`, count, clients.open)];
  const { running } = arena.node("flood").ollama.counters;
  // Besides theirs there are those of ordinary requests: half of them is the doubt this leaves.
  const left = openFiles(arena.hub.pid) - filesBefore;
  return [
    ...figures,
    countFigure(`answers still generated for them ${seconds} s after the last progress`, count, running),
    countFigure("their connections still open at the hub then", count, left, count / 2),
  ];
}

async function largeBodies(arena: Arena, rounds: number): Promise<Figure> {
  const body = JSON.stringify({
    model: "flood",
    stream: false,
    prompt: "x".repeat(BODY_BYTES),
    options: { num_predict: 1 },
  });
  let good = 0;
  const send = async () => {
    const response = await fetch(`${arena.url}/api/generate`, { method: "POST", body, keepalive: false });
    if (response.ok && (await response.text()).includes('"done":true')) good += 1;
  };
  const work = (async () => {
    for (let round = 0; round < rounds; round++) await Promise.all(Array.from({ length: BODIES_AT_ONCE }, send));
  })();
  const { added, before } = await cost(arena, work);
  const all = rounds * BODIES_AT_ONCE;
  return {
    what: `32 MB bodies, ${BODIES_AT_ONCE} at once, ${good} of ${all} answered: memory of the hub at most above before`,
    n: all,
    measured: `${added.toFixed(0)} MB (from ${before.toFixed(0)})`,
    target: "all answered",
    pass: good === all,
  };
}
