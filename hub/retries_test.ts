import { expect, test } from "bun:test";
import { startFleet } from "../shared/testing/start_fleet.ts";
import { eventually } from "../shared/testing/start_hub.ts";
import type { FailureKind } from "./policy/failover.ts";
import { createRequestLog, type RequestRecord } from "./request_log.ts";
import { createRetries } from "./retries.ts";
import { fakeFleet } from "./testing/fake_fleet.ts";
import { jobFor } from "./testing/job.ts";
import { failedAs } from "./testing/record.ts";

function setUp(atNodes = 0) {
  const fleet = fakeFleet();
  fleet.beat();
  for (let request = 0; request < atNodes; request++) fleet.registry.reserve("a");
  const records: RequestRecord[] = [];
  const log = createRequestLog({ clock: fleet.clock, keepPrompts: true, onFinish: (record) => records.push(record) });
  const retries = createRetries({ clock: fleet.clock, registry: fleet.registry });
  /** A request that was at a node. */
  function request() {
    const job = jobFor(log);
    const facts = { ip_version: null, node_url: null, error: null, duration_ms: 1 };
    job.record.attempted({ node_id: "a", outcome: "server_error", ...facts });
    return { job, open: retries.open(job) };
  }
  return { ...fleet, records, retries, request };
}

const failed = (failure: FailureKind) => failedAs(failure, 500);
const broken = [failed("server_error")];

test("three requests may always try again, and the fourth once one of them has had its answer for a second", async () => {
  const { clock, request } = setUp();
  const open = Array.from({ length: 3 }, () => request().open);
  expect(open.map((one) => one.mayFollow(broken))).toEqual([true, true, true]);
  expect(request().open.mayFollow(broken)).toBe(false);
  open[0]?.[Symbol.dispose]();
  expect(request().open.mayFollow(broken)).toBe(false);
  await clock.advance(1_000);
  expect(request().open.mayFollow(broken)).toBe(true);
});

test("what was refused for lack of budget says so in the log", () => {
  const { request, records } = setUp();
  const [, , , last] = Array.from({ length: 4 }, () => {
    const one = request();
    one.open.mayFollow(broken);
    return one;
  });
  last?.job.record.finish({ status: 503, error: "it broke" });
  expect(records[0]?.error).toBe("it broke; not tried on another node: the retry budget is used up");
});

test("more requests at nodes, or answered within the last second, allow more", async () => {
  const busy = setUp(119);
  const granted = Array.from({ length: 40 }, () => busy.request().open.mayFollow(broken));
  expect(granted.filter(Boolean)).toHaveLength(20);

  const quick = setUp();
  for (let request = 0; request < 120; request++) quick.request().open[Symbol.dispose]();
  expect(Array.from({ length: 40 }, () => quick.request().open.mayFollow(broken)).filter(Boolean)).toHaveLength(20);
});

test("connect failures and first losses are free when nothing is left, and the outcome table still holds", () => {
  const { request } = setUp();
  for (let used = 0; used < 4; used++) request().open.mayFollow(broken);
  for (const kind of ["unreachable", "busy", "declined", "model_missing", "out_of_memory", "node_lost"] as const) {
    expect(request().open.mayFollow([failed(kind)])).toBe(true);
  }
  expect(request().open.mayFollow([failed("node_lost"), failed("connection_lost")])).toBe(false);
});

test("a fleet that fails everything is asked at most a fifth more than its clients ask", async () => {
  const ids = ["a", "b", "c", "d"];
  await using fleet = await startFleet({ nodes: ids, slots: 16, hub: { environment: { QUEUE_SIZE: "1000" } } });
  for (const id of ids) fleet.ollama(id).fault({ kind: "status", status: 500, times: 10_000, delayMs: 20 });
  const [requests, clients] = [600, 120];
  const answers: { status: number; attempts: number }[] = [];
  async function askInTurn(client: number): Promise<void> {
    for (let turn = 0; turn < requests / clients; turn++) {
      const response = await fleet.hub.job({ model: "llama3", prompt: `${client} ${turn}`, stream: client % 2 === 0 });
      await response.text();
      answers.push({ status: response.status, attempts: Number(response.headers.get("x-attempts")) });
    }
  }
  // Fewer than 256 at once: Bun's fetch, here that of the clients and of the hub, takes no more.
  await Promise.all(Array.from({ length: clients }, (_, client) => askInTurn(client)));
  expect(answers.every(({ status }) => status === 503)).toBe(true);
  const attempts = answers.reduce((sum, answer) => sum + answer.attempts, 0);
  expect(attempts).toBeGreaterThan(requests);
  expect(attempts).toBeLessThanOrEqual(requests * 1.2 + 3);
  const records = await fleet.hub.logs(requests);
  expect(records.filter(({ error }) => error?.includes("retry budget")).length).toBeGreaterThan(requests / 2);
});

test("killing one of four nodes with 80 requests under way loses none of them", async () => {
  const ids = ["a", "b", "c", "d"];
  const ollama = { parallel: 40, firstTokenMs: 300 };
  await using fleet = await startFleet({ nodes: ids, slots: 40, ollama });
  const asked = Array.from({ length: 80 }, async (_, index) => {
    const response = await fleet.hub.job({ model: "llama3", prompt: `request ${index}`, stream: index % 2 === 0 });
    return { status: response.status, text: await response.text() };
  });
  await eventually(() => {
    for (const id of ids) expect([id, fleet.ollama(id).counters.running]).toEqual([id, 20]);
  });
  await fleet.node("a").kill();
  for (const { status, text } of await Promise.all(asked)) {
    expect(status).toBe(200);
    expect(text).toContain('"done":true');
  }
});
