/** Ten times more than the fleet can do: what it can do goes on, and the rest is told so at once. */
import { expect, test } from "bun:test";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";

const SLOTS = 4;
/** Milliseconds a request takes at its node, however fast the machine is: twenty tokens at ten milliseconds. */
const SERVICE_MS = 200;
const QUEUE_SIZE = 8;

interface Seen {
  readonly served: number;
  /** Milliseconds each refusal took, in ascending order. */
  readonly refusals: readonly number[];
  readonly others: readonly number[];
  readonly retryAfter: ReadonlySet<string | null>;
}

/** `clients` of them ask for `ms` milliseconds, each again as soon as it was answered, or a while after a refusal. */
async function press(fleet: Fleet, clients: number, ms: number): Promise<Seen> {
  const until = performance.now() + ms;
  let served = 0;
  const refusals: number[] = [];
  const others: number[] = [];
  const retryAfter = new Set<string | null>();
  async function client(): Promise<void> {
    while (performance.now() < until) {
      const askedAt = performance.now();
      const answer = await fleet.hub.job({ model: "llama3", prompt: "hi", stream: true, options: { num_predict: 20 } });
      const answeredMs = performance.now() - askedAt;
      const text = await answer.text();
      if (answer.status === 200 && text.includes('"done":true')) {
        if (performance.now() < until) served++;
      } else if (answer.status === 503) {
        refusals.push(answeredMs);
        retryAfter.add(answer.headers.get("retry-after"));
        await Bun.sleep(SERVICE_MS / 2);
      } else {
        others.push(answer.status);
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, client));
  return { served, refusals: refusals.toSorted((a, b) => a - b), others, retryAfter };
}

test("ten times the load leaves the goodput as it was, refuses the rest at once, and is forgotten when it ends", async () => {
  await using fleet = await startFleet({
    slots: SLOTS / 2,
    ollama: { tokensPerSecond: 20 / (SERVICE_MS / 1000) },
    hub: { environment: { QUEUE_SIZE: String(QUEUE_SIZE) } },
  });
  await press(fleet, SLOTS, 2 * SERVICE_MS);
  const calm = await press(fleet, SLOTS, 15 * SERVICE_MS);
  const pressed = await press(fleet, 10 * SLOTS, 15 * SERVICE_MS);
  const median = pressed.refusals[Math.floor(pressed.refusals.length / 2)] ?? Number.NaN;
  const p99 = pressed.refusals[Math.floor(pressed.refusals.length * 0.99)] ?? Number.NaN;
  console.log(
    `served ${calm.served} calm, ${pressed.served} under ten times the load, ` +
      `${pressed.refusals.length} refused in ${median.toFixed(1)} ms (p99 ${p99.toFixed(1)} ms)`,
  );
  expect(calm.refusals).toEqual([]);
  expect([...calm.others, ...pressed.others]).toEqual([]);
  // What shares the machine may change between the two; a collapse leaves next to nothing. `npm run lab` measures it.
  expect(pressed.served).toBeGreaterThan(0.5 * calm.served);
  expect(pressed.refusals.length).toBeGreaterThan(calm.served);
  // At once: not after waiting for anything. A place in the queue takes a service time and more.
  expect(median).toBeLessThan(SERVICE_MS / 2);
  // Nine ahead on four slots, a fifth of a second each: half a second.
  expect([...pressed.retryAfter]).toEqual(["1"]);

  const after = await fleet.hub.job({ model: "llama3", prompt: "hi", options: { num_predict: 1 } });
  expect([after.status, after.headers.get("x-queue-position")]).toEqual([200, null]);
  await after.text();
  for (const node of (await fleet.hub.nodes()).values()) {
    expect([node.status, node.active_jobs, node.failure_count]).toEqual(["online", 0, 0]);
  }
}, 60_000);
