/** Clients leave at any moment; how soon Ollama hears of it, and whether anything runs on for nobody. */
import { openArena } from "../arena.ts";
import { ask } from "../ask.ts";
import type { Operation } from "../history.ts";
import { wishes } from "../load.ts";
import { countFigure, delayFigure, findings, judge, outcomesOf, type Scenario } from "../scenario.ts";

const CLIENTS = 8;
/** Milliseconds after which an execution nobody waits for is an orphan. */
const ORPHAN_MS = 2000;

export const aborts: Scenario = {
  name: "aborts",
  title: "clients that leave at a random moment",
  needsNamespace: null,
  async run(lab) {
    const random = lab.random("aborts");
    const ollama = { tokensPerSecond: 20 };
    await using arena = await openArena(
      lab.ground,
      ["a", "b"].map((id) => ({ id, ollama })),
    );
    const wish = wishes({ name: "abort", random, aborts: 1, tokens: [1000, 2000], leaveMs: [1, 400] });
    let left = lab.pick(300, 1000, 2000);
    const client = async () => {
      while (left-- > 0) await ask(arena.url, wish(), arena.operations);
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    await Bun.sleep(ORPHAN_MS);
    const running = arena.nodes.reduce((sum, node) => sum + node.ollama.counters.running, 0);
    const violations = await judge(arena, { abortMs: ORPHAN_MS }, 0);
    const { executions } = arena.history();
    const byId = new Map(arena.operations.map((operation) => [operation.id, operation]));
    const delays = executions.flatMap(({ operation, abortedAt }) => {
      const leftAt = byId.get(operation)?.leftAt ?? null;
      return leftAt === null || abortedAt === null ? [] : [abortedAt - leftAt];
    });
    const orphans = violations.filter(({ breach }) => breach === "orphan").length;
    const hasLeft = ({ outcomes }: Operation) => outcomes[0] === "aborted";
    const figures = [
      delayFigure("from the client's leaving to Ollama's noticing", delays, 250),
      countFigure("orphans after 2 s", arena.operations.filter(hasLeft).length, Math.max(orphans, running)),
    ];
    return findings(arena, figures, violations, [
      `${outcomesOf(arena.operations)}; ${executions.length} had reached an Ollama when their client left.`,
    ]);
  },
};
