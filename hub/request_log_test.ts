import { expect, test } from "bun:test";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { type AttemptRecord, createRequestLog, type RequestRecord, type RequestStart } from "./request_log.ts";

function openLog(keepPrompts = true) {
  const clock = fakeClock();
  const finished: RequestRecord[] = [];
  const log = createRequestLog({ clock, keepPrompts, onFinish: (record) => finished.push(record) });
  const begin = (changes: Partial<RequestStart> = {}) =>
    log.begin({
      requestId: "r1",
      clientIp: "192.168.1.50",
      endpoint: "/jobs",
      method: "POST",
      model: "qwen2.5:7b",
      stream: false,
      json: { model: "qwen2.5:7b", prompt: "Hello", stream: false },
      ...changes,
    });
  return { clock, log, begin, finished };
}

const attempt: AttemptRecord = {
  node_id: "ollama-node-1",
  ip_version: "IPv6",
  node_url: "http://[2001:db8::1]:8001/execute",
  outcome: "ok",
  error: null,
  duration_ms: 3000,
};

test("a record begins with the user's fields, under their names and in their order", async () => {
  const { clock, log, begin } = openLog();
  await clock.advance(45_123);
  const record = begin();
  await clock.advance(3150.5);
  record.attempted(attempt);
  record.finish({ status: 200, error: null });
  const [row] = log.newest(1);
  const users = Object.entries(row ?? {}).slice(0, 12);
  expect(JSON.stringify(Object.fromEntries(users))).toBe(
    JSON.stringify({
      timestamp: "2026-01-01T00:00:45.123Z",
      request_ip: "192.168.1.50",
      endpoint: "/jobs",
      method: "POST",
      request_json: { model: "qwen2.5:7b", prompt: "Hello", stream: false },
      node_id: "ollama-node-1",
      ip_version: "IPv6",
      node_url: "http://[2001:db8::1]:8001/execute",
      status_code: 200,
      success: true,
      error: null,
      duration_ms: 3150.5,
    }),
  );
});

test("the whole story of a request stands behind the user's fields", async () => {
  const { clock, log, begin } = openLog();
  const record = begin({ stream: true });
  record.waited(40);
  record.waited(2.25);
  record.attempted({ ...attempt, node_id: "b", outcome: "connection_lost" });
  record.attempted(attempt);
  await clock.advance(120);
  record.firstByte();
  await clock.advance(80);
  record.firstByte();
  record.sent(100);
  record.sent(23);
  record.tokens(7, 42);
  expect(record.attempts).toBe(2);
  expect(record.waitedMs).toBe(42.25);
  record.finish({ status: 200, error: null });
  expect(log.newest(1)[0]).toMatchObject({
    request_id: "r1",
    model: "qwen2.5:7b",
    stream: true,
    attempts: [{ node_id: "b", outcome: "connection_lost" }, attempt],
    queued_ms: 42.3,
    first_byte_ms: 120,
    duration_ms: 200,
    bytes: 123,
    prompt_tokens: 7,
    completion_tokens: 42,
    key_id: null,
    key_name: null,
  });
});

test("a request that no node got has no node, address or first byte", () => {
  const { log, begin } = openLog();
  begin().finish({ status: 503, error: "No healthy nodes available for requested model" });
  expect(log.newest(1)[0]).toMatchObject({
    node_id: null,
    ip_version: null,
    node_url: null,
    attempts: [],
    first_byte_ms: null,
    success: false,
    status_code: 503,
    error: "No healthy nodes available for requested model",
  });
});

test.each<[status: number, error: string | null, success: boolean]>([
  [200, null, true],
  [200, "the answer stopped for 60 s", false],
  [400, null, false],
  [499, "the client left", false],
])("status %p with error %p is success: %p", (status, error, success) => {
  const { log, begin } = openLog();
  begin().finish({ status, error });
  expect(log.newest(1)[0]?.success).toBe(success);
});

test("the last thousand requests are kept, newest first", () => {
  const { log, begin, finished } = openLog();
  for (let number = 0; number < 2_345; number++) {
    begin({ requestId: `r${number}` }).finish({ status: 200, error: null });
  }
  const ids = log.newest(5_000).map(({ request_id }) => request_id);
  expect(ids).toHaveLength(1000);
  expect(ids).toEqual(Array.from({ length: 1000 }, (_, back) => `r${2_344 - back}`));
  expect(log.newest(3).map(({ request_id }) => request_id)).toEqual(["r2344", "r2343", "r2342"]);
  expect(finished).toHaveLength(2_345);
});

test("fewer requests than were asked for are all there are", () => {
  const { log, begin } = openLog();
  expect(log.newest(100)).toEqual([]);
  begin().finish({ status: 200, error: null });
  expect(log.newest(100)).toHaveLength(1);
  expect(log.newest(0)).toEqual([]);
});

test("a request is listed once it has finished, in the order of finishing", () => {
  const { log, begin } = openLog();
  const [slow, quick] = [begin({ requestId: "slow" }), begin({ requestId: "quick" })];
  quick.finish({ status: 200, error: null });
  slow.finish({ status: 200, error: null });
  expect(log.newest(9).map(({ request_id }) => request_id)).toEqual(["slow", "quick"]);
});

test("a request finishes once, and nothing after that changes its record", () => {
  const { log, begin, finished } = openLog();
  const record = begin();
  record.attempted(attempt);
  record.finish({ status: 200, error: null });
  const before = JSON.stringify(log.newest(9));
  record.attempted({ ...attempt, node_id: "late" });
  record.sent(5);
  record.tokens(1, 1);
  record.waited(9);
  record.firstByte();
  record.finish({ status: 502, error: "late" });
  expect(JSON.stringify(log.newest(9))).toBe(before);
  expect(finished).toHaveLength(1);
});

test("LOG_PROMPTS=0 leaves what a person wrote out of the record", () => {
  const { log, begin } = openLog(false);
  begin().finish({ status: 200, error: null });
  const kept = { model: "qwen2.5:7b", prompt: "(not logged)", stream: false };
  expect(log.newest(1)[0]?.request_json).toEqual(kept);
});

test.each<[json: unknown]>([["just a text"], [null], [undefined], [7]])(
  "LOG_PROMPTS=0 keeps nothing of a body that is no object: %p",
  (json) => {
    const { log, begin } = openLog(false);
    begin({ json }).finish({ status: 400, error: "no" });
    expect(log.newest(1)[0]?.request_json).toBeNull();
  },
);

test("a thousand fields of a client's own making are not all kept, prompts or not", () => {
  const json = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`field${index}`, index]));
  for (const keepPrompts of [true, false]) {
    const { log, begin } = openLog(keepPrompts);
    begin({ json }).finish({ status: 200, error: null });
    expect(Object.keys(log.newest(1)[0]?.request_json ?? {}).length).toBeLessThanOrEqual(51);
  }
});

test("a text that was cut does not keep the whole one alive", () => {
  const { log, begin } = openLog();
  const heapBefore = heap();
  for (let request = 0; request < 50; request++) {
    const picture = Buffer.alloc(4_000_000, "abcd").toString("latin1");
    begin({ json: JSON.parse(JSON.stringify({ model: "m", prompt: picture })) }).finish({ status: 200, error: null });
  }
  const grown = heap() - heapBefore;
  expect(log.newest(50)).toHaveLength(50);
  // 50 texts of 4 MB would be 200 MB.
  expect(grown).toBeLessThan(40_000_000);
});

function heap(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed + process.memoryUsage().external;
}

test("a request can be looked at while it runs, and is gone from there when it ends", async () => {
  const { clock, log, begin } = openLog();
  const record = begin({ stream: true, generates: true });
  const other = begin({ requestId: "r2" });
  const [running] = log.running();
  expect([...log.running()].map(({ requestId }) => requestId)).toEqual(["r1", "r2"]);
  expect(running).toMatchObject({ model: "qwen2.5:7b", nodeId: null, waiting: false, startedAt: 0, pieces: 0 });
  record.queuedAt(3);
  expect(running).toMatchObject({ waiting: true, queuePosition: 3 });
  await clock.advance(40);
  record.waited(40);
  record.sendingTo("ollama-node-1");
  expect(running).toMatchObject({ waiting: false, nodeId: "ollama-node-1", family: null, sentAt: 40 });
  record.attempted(attempt);
  record.firstByte();
  record.sent(100);
  record.sent(20);
  expect(running).toMatchObject({ family: "IPv6", firstByteMs: 40, bytes: 120, pieces: 2, queuePosition: 3 });
  record.finish({ status: 200, error: null });
  expect([...log.running()].map(({ requestId }) => requestId)).toEqual(["r2"]);
  other.finish({ status: 200, error: null });
  expect(log.running().size).toBe(0);
});

test("a request that waits again is at no node meanwhile", () => {
  const { log, begin } = openLog();
  const record = begin();
  record.sendingTo("a");
  record.attempted({ ...attempt, node_id: "a", outcome: "busy" });
  record.queuedAt(1);
  expect([...log.running()][0]).toMatchObject({ nodeId: null, family: null, waiting: true });
});

test("an answer that breaks off changes its own attempt, also where others were begun since", () => {
  const { log, begin } = openLog();
  const record = begin();
  for (const node_id of ["a", "b", "c"]) record.attempted({ ...attempt, node_id });
  record.brokeOff("b", "truncated", "the answer ended before it was complete");
  record.brokeOff("nobody", "truncated", "");
  record.finish({ status: 200, error: "the answer ended before it was complete" });
  expect(log.newest(1)[0]?.attempts).toEqual([
    { ...attempt, node_id: "a" },
    { ...attempt, node_id: "b", outcome: "truncated", error: "the answer ended before it was complete" },
    { ...attempt, node_id: "c" },
  ]);
});

test("an attempt that breaks off lasted until then, not only until its answer began", async () => {
  const { clock, log, begin } = openLog();
  const record = begin();
  record.attempted({ ...attempt, duration_ms: 3.4 });
  await clock.advance(1490);
  record.brokeOff(attempt.node_id, "node_lost", "the connection to the node broke");
  record.finish({ status: 200, error: "the connection to the node broke" });
  expect(log.newest(1)[0]?.attempts[0]).toMatchObject({ outcome: "node_lost", duration_ms: 1493.4 });
});

test("a finished request is found by its id as long as it is kept", () => {
  const { log, begin } = openLog();
  const open = begin({ requestId: "open" });
  for (let number = 0; number <= 1000; number++) {
    begin({ requestId: `r${number}` }).finish({ status: 200, error: null });
  }
  expect(log.find("r1000")?.record.request_id).toBe("r1000");
  expect(log.find("r1")?.record.request_id).toBe("r1");
  for (const id of ["r0", "open", ""]) expect([id, log.find(id)]).toEqual([id, null]);
  open.finish({ status: 200, error: null });
  expect(log.find("open")).not.toBeNull();
});
