/** The long haul: requests, aborts and node churn, and what the hub's memory and file descriptors do meanwhile. */
import { openArena } from "../arena.ts";
import { startChurn } from "../churn.ts";
import { steadyLoad } from "../load.ts";
import { openFiles, residentMb } from "../process_facts.ts";
import { countFigure, findings, judge, outcomesOf, quantile, type Scenario, safetyFigures } from "../scenario.ts";

const RATE = 20;
const CHURN_MS = 30_000;
/** Share of the time after which memory should have stopped growing. */
const WARM_UP = 1 / 3;
/** Milliseconds after which connections kept by the hub for the next request are closed. */
const QUIET_MS = 5500;

export const soak: Scenario = {
  name: "soak",
  title: `${RATE} requests/s, 30 % leave, a node ends every 30 s: memory and file descriptors of the hub`,
  needsNamespace: null,
  async run(lab) {
    const random = lab.random("soak");
    const ollama = { tokensPerSecond: 100 };
    const plans = ["a", "b", "c", "d"].map((id) => ({ id, ollama }));
    await using arena = await openArena(lab.ground, plans);
    const { pid } = arena.hub;
    const first = steadyLoad(arena, RATE, { name: "warm", random: random.fork("warm"), aborts: 0.3 });
    const totalMs = lab.pick(12, 60, 1800) * 1000;
    const churn = startChurn(arena, random, lab.length === "short" ? CHURN_MS / 4 : CHURN_MS);
    await Bun.sleep(totalMs * WARM_UP);
    await first.stop();
    await Bun.sleep(QUIET_MS);
    const filesBefore = openFiles(pid);
    const samples: { at: number; mb: number }[] = [];
    const load = steadyLoad(arena, RATE, { name: "soak", random: random.fork("load"), aborts: 0.3 });
    const from = performance.now();
    const span = totalMs * (1 - WARM_UP);
    while (performance.now() - from < span) {
      samples.push({ at: (performance.now() - from) / span, mb: residentMb(pid) });
      await Bun.sleep(250);
    }
    const ends = await churn.stop();
    await load.stop();
    await Bun.sleep(QUIET_MS);
    const filesAfter = openFiles(pid);
    const violations = await judge(arena);
    const median = (low: number, high: number) => {
      const some = samples.filter(({ at }) => at >= low && at < high).map(({ mb }) => mb);
      return quantile(some, 0.5);
    };
    const [begin, end] = [median(0, 0.2), median(0.8, 1)];
    const growth = end - begin;
    const figures = [
      {
        what: "growth of the hub's resident memory after warm-up (medians of the first and last fifth)",
        n: samples.length,
        measured: `${growth.toFixed(1)} MB (${begin.toFixed(0)} → ${end.toFixed(0)})`,
        target: "≤ 20 MB",
        pass: growth <= 20,
      },
      {
        what: "open file descriptors of the hub at rest, before and after",
        n: 2,
        measured: `${filesBefore} → ${filesAfter}`,
        target: "± 5",
        pass: Math.abs(filesAfter - filesBefore) <= 5,
      },
      countFigure("restarts of the hub", 1, arena.hub.pid === pid && !Number.isNaN(residentMb(pid)) ? 0 : 1),
      ...safetyFigures(arena.operations, violations),
    ];
    return findings(arena, figures, violations, [
      `${(totalMs / 1000).toFixed(0)} s, ${ends} nodes ended and came back; ${outcomesOf(arena.operations)}.`,
    ]);
  },
};
