/** Every node is restarted, one after another, under load: SIGTERM, drain, start. */
import { isReady, openArena } from "../arena.ts";
import { isInterrupted } from "../history.ts";
import { steadyLoad } from "../load.ts";
import { countFigure, delayFigure, findings, judge, outcomesOf, type Scenario, safetyFigures } from "../scenario.ts";

export const rolling: Scenario = {
  name: "rolling",
  title: "rolling restart of all four nodes under load",
  needsNamespace: null,
  async run(lab) {
    const ollama = { tokensPerSecond: 50 };
    const plans = ["a", "b", "c", "d"].map((id) => ({ id, ollama }));
    await using arena = await openArena(lab.ground, plans);
    const random = lab.random("rolling");
    const load = steadyLoad(arena, 30, { name: "roll", random, tokens: [5, 60] });
    const drains: number[] = [];
    const back: number[] = [];
    const codes: number[] = [];
    for (let round = 0; round < lab.pick(2, 5, 10); round++) {
      for (const node of arena.nodes) {
        await Bun.sleep(300);
        const from = performance.now();
        codes.push(await node.end("SIGTERM"));
        drains.push(performance.now() - from);
        const started = performance.now();
        await node.start();
        await arena.until((seen) => seen.filter(isReady).length === plans.length);
        back.push(performance.now() - started);
      }
    }
    await load.stop();
    const violations = await judge(arena, { nothingLost: true });
    const { operations } = arena;
    const figures = [
      ...safetyFigures(operations, violations),
      countFigure("streams interrupted", operations.length, operations.filter(isInterrupted).length),
      delayFigure("drain: from SIGTERM to the agent's end", drains, null),
      delayFigure("from the agent's start to work from the hub", back, null),
    ];
    return findings(arena, figures, violations, [
      `${codes.length} restarts, exit codes ${[...new Set(codes)].join(", ")}; ${outcomesOf(operations)}.`,
    ]);
  },
};
