/** A random node of four is killed every ten seconds under load; nothing but streams already begun may suffer. */
import { openArena } from "../arena.ts";
import { steadyLoad } from "../load.ts";
import { findings, judge, outcomesOf, type Scenario, safetyFigures } from "../scenario.ts";

const RATE = 40;
const EVERY_MS = 10_000;
/** Milliseconds a killed node stays away. */
const DOWN_MS = 3000;

export const kill: Scenario = {
  name: "kill",
  title: "kill -9 of a random node of 4 every 10 s, half streaming",
  needsNamespace: null,
  async run(lab) {
    const random = lab.random("kill");
    const ollama = { tokensPerSecond: 100 };
    const plans = ["a", "b", "c", "d"].map((id) => ({ id, ollama }));
    await using arena = await openArena(lab.ground, plans);
    const load = steadyLoad(arena, RATE, { name: "kill", random: random.fork("load"), aborts: 0.02, tokens: [5, 60] });
    const until = performance.now() + lab.pick(28, 98, 300) * 1000;
    let kills = 0;
    while (performance.now() + EVERY_MS < until) {
      await Bun.sleep(EVERY_MS - DOWN_MS);
      const victim = random.pick(arena.nodes);
      await victim.end("SIGKILL");
      kills += 1;
      await Bun.sleep(DOWN_MS);
      await victim.start();
    }
    await Bun.sleep(2000);
    await load.stop();
    const violations = await judge(arena, { nothingLost: true });
    return findings(arena, safetyFigures(arena.operations, violations), violations, [
      `${kills} kills, ${RATE} requests/s; ${outcomesOf(arena.operations)}.`,
    ]);
  },
};
