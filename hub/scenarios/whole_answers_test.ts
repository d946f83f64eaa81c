/** Machines of which one is far slower than the other, asked for whole answers only, over real sockets. */
import { expect, test } from "bun:test";
import { startFleet } from "../../shared/testing/start_fleet.ts";

test.each([
  ["answers late", 1_000, 10_000],
  ["is not waited for", 60_000, 500],
])("of whole answers, too, a slow machine that %s gets few beside an idle fast one", async (_, slowMs, patienceMs) => {
  await using fleet = await startFleet({
    nodes: ["fast", "slow"],
    ollamas: { fast: { firstTokenMs: 20 }, slow: { firstTokenMs: slowMs } },
  });
  const body = JSON.stringify({ model: "llama3", prompt: "why", stream: false });
  const ask = async () => {
    const asked = { method: "POST", body, signal: AbortSignal.timeout(patienceMs) };
    const response = await fetch(`${fleet.hub.url}/api/generate`, asked);
    await response.text();
    return response.headers.get("x-node-id");
  };
  const served: (string | null)[] = [];
  for (let times = 0; times < 10; times++) served.push(await ask().catch(() => "lost"));
  expect(served.filter((node) => node === "fast").length).toBeGreaterThan(7);
});
