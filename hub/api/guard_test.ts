/** The guard over a real hub: what it takes for a key, what it writes down, and what it needs for that. */
import { expect, test } from "bun:test";
import type { Logger } from "../../shared/log.ts";
import { silentLogger } from "../../shared/log.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { startTestHub } from "../../shared/testing/start_hub.ts";

/** A logger, and the warnings it was given. */
function listen(): { log: Logger; warnings: string[] } {
  const warnings: string[] = [];
  const log = new Proxy(silentLogger, {
    get: (logger, name: keyof Logger) =>
      name === "warn" ? (_: unknown, words: string) => warnings.push(words) : logger[name],
  });
  return { log, warnings };
}

test("a refusal is written down once an hour for each source, and not for good", async () => {
  const clock = fakeClock();
  const { log, warnings } = listen();
  const hub = startTestHub({ clock, log });
  const refused = async () => {
    expect((await fetch(`${hub.url}/nodes`, { headers: { host: "evil.example" } })).status).toBe(421);
    return warnings.filter((words) => words.includes("evil.example")).length;
  };
  expect([await refused(), await refused()]).toEqual([1, 1]);
  await clock.advance(3_600_000);
  expect(await refused()).toBe(2);
  await hub.stop();
});
