/** A bad network: every node behind 200 ± 100 ms and 5 % loss. Nobody is ejected for what the cable does. */
import { openArena } from "../arena.ts";
import { steadyLoad } from "../load.ts";
import { countFigure, delayFigure, findings, judge, outcomesOf, type Scenario, safetyFigures } from "../scenario.ts";

const LOSS = 0.05;

export const lossy: Scenario = {
  name: "lossy",
  title: "5 % packet loss and 200 ± 100 ms delay each way on every way to a node",
  needsNamespace: "packets are lost by a firewall",
  async run(lab) {
    const plans = ["a", "b", "c"].map((id) => ({ id, proxied: true, slots: 32, ollama: { tokensPerSecond: 100 } }));
    await using arena = await openArena(lab.ground, plans);
    for (const { proxies } of arena.nodes) {
      for (const { control } of proxies) Object.assign(control, { delayMs: 200, jitterMs: 100 });
    }
    const ways = arena.nodes.flatMap((node) => [
      ...node.packets("to"),
      ...node.packets("from"),
      ...node.heartbeats("to"),
      ...node.heartbeats("from"),
    ]);
    const healed = await lab.firewall?.drop(ways, LOSS);
    const load = steadyLoad(arena, 10, { name: "lossy", random: lab.random("lossy"), tokens: [2, 20] });
    const until = performance.now() + lab.pick(16, 45, 600) * 1000;
    const ejected = new Set<string>();
    let looks = 0;
    while (performance.now() < until) {
      for (const { node_id, trust, status, reason } of await arena.shown().catch(() => [])) {
        looks += 1;
        if (trust !== "admitted" || status !== "online") ejected.add(`${node_id} ${status} ${trust} ${reason ?? ""}`);
      }
      await Bun.sleep(250);
    }
    await load.stop();
    await healed?.();
    const violations = await judge(arena, {});
    const { operations } = arena;
    const whole = operations.filter(({ outcomes }) => outcomes[0] === "whole");
    const firstBytes = whole.flatMap(({ startedAt, firstByteAt, stream }) =>
      firstByteAt === null || !stream ? [] : [firstByteAt - startedAt],
    );
    const figures = [
      countFigure("false ejections (looks at a node four times a second)", looks, ejected.size),
      ...safetyFigures(operations, violations),
      delayFigure("to the first byte of a stream", firstBytes, null),
    ];
    return findings(arena, figures, violations, [
      `${outcomesOf(operations)}; more than one node was needed by ` +
        `${operations.filter(({ attempts }) => attempts > 1).length}.`,
      "The delay is the proxies', which take connections at once: it falls on data, not on handshakes.",
      ...Array.from(ejected, (what) => `Ejected: ${what}`),
    ]);
  },
};
