/** Requests that wait, as clients and people see it, over real sockets. */
import { expect, test } from "bun:test";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually } from "../../shared/testing/start_hub.ts";
import type { describeQueue } from "./queue.ts";

const MODELS = ["llama3:latest", "phi3:latest"];

/** One node with one slot, on which an answer of n tokens takes n times 10 ms. */
const oneSlot = (environment = {}) =>
  startFleet({
    nodes: ["a"],
    slots: 1,
    ollama: { models: MODELS, loaded: MODELS, tokensPerSecond: 100 },
    hub: { environment },
  });

const post = (fleet: Fleet, path: string, tokens: number, model = "llama3", signal?: AbortSignal) =>
  fetch(fleet.hub.url + path, {
    method: "POST",
    body: JSON.stringify({ model, prompt: "hi", max_tokens: tokens, options: { num_predict: tokens } }),
    ...(signal ? { signal } : {}),
  });

async function queue(fleet: Fleet) {
  return (await (await fetch(`${fleet.hub.url}/queue`)).json()) as ReturnType<typeof describeQueue>;
}

test("GET /queue says who waits for what and what to expect; answers say at which place they waited", async () => {
  await using fleet = await oneSlot();
  const empty = await queue(fleet);
  expect(empty).toEqual({ waiting: 0, size: 512, timeout_s: 120, models: [], bodies: { held: 0, limit: 500_000_000 } });

  await (await post(fleet, "/api/generate", 10)).text();
  const first = await post(fleet, "/api/generate", 100);
  expect(first.headers.get("x-queue-position")).toBeNull();
  const leaving = new AbortController();
  const waiting: Promise<Response>[] = [];
  for (const [path, model, signal] of [
    ["/api/generate", "llama3", undefined],
    ["/jobs", "phi3", undefined],
    ["/v1/completions", "llama3", undefined],
    ["/api/generate", "llama3", leaving.signal],
  ] as const) {
    const answer = post(fleet, path, 1, model, signal);
    answer.catch(() => {});
    waiting.push(answer);
    await eventually(async () => expect((await queue(fleet)).waiting).toBe(waiting.length));
  }
  const seen = await queue(fleet);
  expect(seen.models).toMatchObject([
    { model: "llama3:latest", waiting: 3 },
    { model: "phi3:latest", waiting: 1 },
  ]);
  for (const { oldest_wait_ms, expected_wait_ms } of seen.models) {
    expect(oldest_wait_ms).toBeGreaterThanOrEqual(0);
    // Five places on one slot, each as long as the one request that was measured.
    expect(expected_wait_ms).toBeGreaterThan(5 * 50);
  }
  expect(seen.bodies.held).toBeGreaterThan(5 * 50);

  leaving.abort();
  await eventually(async () => expect((await queue(fleet)).waiting).toBe(3));
  await first.text();
  const answers = await Promise.all(waiting.slice(0, 3));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(answers.map(({ headers }) => headers.get("x-queue-position"))).toEqual(["1", "1", "2"]);
  await Promise.all(answers.map((answer) => answer.text()));
  const log = await fleet.hub.logs();
  expect(log.filter(({ queued_ms }) => queued_ms > 0)).toHaveLength(4);
  await eventually(async () => expect((await queue(fleet)).bodies.held).toBe(0));
});

test("a full room is refused with a Retry-After from how long that model's requests take", async () => {
  await using fleet = await oneSlot({ QUEUE_SIZE: "1" });
  // Two seconds for one model, next to nothing for the other.
  await (await post(fleet, "/api/generate", 200, "llama3")).text();
  await (await post(fleet, "/api/generate", 1, "phi3")).text();
  const leaving = new AbortController();
  const running = await post(fleet, "/api/generate", 600, "llama3", leaving.signal);
  const waits = post(fleet, "/api/generate", 1, "phi3", leaving.signal);
  waits.catch(() => {});
  await eventually(async () => expect((await queue(fleet)).waiting).toBe(1));
  const [slow, fast] = [await post(fleet, "/jobs", 1, "llama3"), await post(fleet, "/api/chat", 1, "phi3")];
  expect([slow.status, fast.status]).toEqual([503, 503]);
  expect(slow.headers.get("x-queue-position")).toBeNull();
  const [slowSeconds, fastSeconds] = [slow, fast].map(({ headers }) => Number(headers.get("retry-after")));
  expect(fastSeconds).toBe(1);
  expect(slowSeconds).toBeGreaterThanOrEqual(2);
  leaving.abort();
  await running.text().catch(() => {});
});

test("a request that waited in vain is told its place, too", async () => {
  await using fleet = await oneSlot({ QUEUE_TIMEOUT: "0.1" });
  const leaving = new AbortController();
  const running = await post(fleet, "/api/generate", 600, "llama3", leaving.signal);
  const refused = await post(fleet, "/v1/chat/completions", 1);
  expect([refused.status, refused.headers.get("x-queue-position")]).toEqual([503, "1"]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  leaving.abort();
  await running.text().catch(() => {});
});
