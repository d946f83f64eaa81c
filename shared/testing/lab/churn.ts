/** Node churn: agents that end and come back, one at a time, while a scenario goes on. */
import type { Arena } from "./arena.ts";
import type { Random } from "./seeded_random.ts";

/** Ends a random node every `everyMs`, `kill -9` and SIGTERM by turns, and starts it again a second later. */
export function startChurn(arena: Arena, random: Random, everyMs: number): { stop(): Promise<number> } {
  let going = true;
  let ends = 0;
  const churn = (async () => {
    let next = performance.now() + everyMs / 2;
    while (going) {
      await Bun.sleep(50);
      if (performance.now() < next) continue;
      next += everyMs;
      const victim = random.pick(arena.nodes);
      await victim.end(ends % 2 === 0 ? "SIGKILL" : "SIGTERM");
      ends += 1;
      await Bun.sleep(1000);
      await victim.start();
    }
  })();
  return {
    async stop() {
      going = false;
      await churn;
      return ends;
    },
  };
}
