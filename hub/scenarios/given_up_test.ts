/** A machine so slow that no client waits for its first token, beside a fast one, over real sockets. */
import { expect, test } from "bun:test";
import { startFleet } from "../../shared/testing/start_fleet.ts";

test("a machine whose first token clients do not wait for is not given every second request for ever", async () => {
  await using fleet = await startFleet({
    nodes: ["fast", "slow"],
    ollamas: { fast: { firstTokenMs: 20 }, slow: { firstTokenMs: 60_000 } },
  });
  const body = JSON.stringify({ model: "llama3", prompt: "why" });
  const ask = async () => {
    const asked = { method: "POST", body, signal: AbortSignal.timeout(500) };
    const response = await fetch(`${fleet.hub.url}/api/generate`, asked);
    return response.text();
  };
  let lost = 0;
  for (let times = 0; times < 10; times++) await ask().catch(() => lost++);
  expect(lost).toBeLessThan(3);
});
