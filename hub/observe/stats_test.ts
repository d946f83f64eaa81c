import { expect, test } from "bun:test";
import fc from "fast-check";
import { type FakeClock, fakeClock } from "../../shared/testing/fake_clock.ts";
import { createRequestLog, type RequestStart } from "../request_log.ts";
import { attemptAt } from "../testing/record.ts";
import type { Point } from "./stat_series.ts";
import { createStats, type Sample } from "./stats.ts";

const START: RequestStart = {
  requestId: "id",
  clientIp: "::1",
  endpoint: "/api/generate",
  method: "POST",
  model: "llama3",
  stream: true,
  generates: true,
  json: null,
};

interface Watched {
  readonly clock: FakeClock;
  readonly log: ReturnType<typeof createRequestLog>;
  readonly stats: ReturnType<typeof createStats>;
  readonly samples: Sample[];
  readonly nodes: Map<string, { id: string; reserved: number }>;
  waiting: number;
}

function watch(): Watched {
  const clock = fakeClock();
  const samples: Sample[] = [];
  const log = createRequestLog({
    clock,
    keepPrompts: false,
    onFinish: (record, request) => stats.finished(record, request),
    onFirstByte: (request) => stats.began(request),
  });
  const watched: Watched = { clock, log, samples, nodes: new Map(), waiting: 0, stats: undefined as never };
  const stats = createStats({
    clock,
    random: () => 0.5,
    running: log.running,
    nodes: () => watched.nodes.values(),
    waiting: () => watched.waiting,
    onStep: (sample) => samples.push(sample),
  });
  return Object.assign(watched, { stats });
}

const EMPTY: Point = {
  requests: 0,
  errors: 0,
  tokens: 0,
  first_token_p50_ms: null,
  first_token_p95_ms: null,
  active: 0,
  waiting: 0,
};

test("before the first step is over there are no points", () => {
  const { stats } = watch();
  expect(stats.hour(null)).toMatchObject({ step_s: 10, points: 0, until: "2026-01-01T00:00:00.000Z" });
  expect(stats.hour(null).series.tokens).toEqual([]);
});

test("every ten seconds a step is over, also when nothing happens, and an hour is kept", async () => {
  const { clock, stats, samples } = watch();
  await clock.advance(25_000);
  expect(samples).toEqual([
    { at: "2026-01-01T00:00:10.000Z", fleet: EMPTY, nodes: {} },
    { at: "2026-01-01T00:00:20.000Z", fleet: EMPTY, nodes: {} },
  ]);
  expect(stats.hour(null)).toMatchObject({ points: 2, until: "2026-01-01T00:00:20.000Z" });
  await clock.advance(2 * 3_600_000);
  const { points, series } = stats.hour(null);
  expect(points).toBe(360);
  expect(new Set(Object.values(series).map(({ length }) => length))).toEqual(new Set([360]));
});

test("a step ends by the clock of the hub, whenever the next thing happens; the wall clock only labels it", async () => {
  const { clock, stats, log, samples } = watch();
  stats.stop();
  await clock.advance(9_999);
  log.begin(START).finish({ status: 200, error: null });
  clock.stepWall(3_600_000);
  await clock.advance(2);
  log.begin(START).finish({ status: 200, error: null });
  await clock.advance(10_000);
  expect(stats.hour(null).series.requests).toEqual([1, 1]);
  expect(samples.map(({ at }) => at)).toEqual(["2026-01-01T01:00:10.000Z", "2026-01-01T01:00:20.000Z"]);
});

test.each<[what: string, status: number, error: string | null, outcomes: string[], fleet: number, node: number]>([
  ["well", 200, null, ["ok"], 0, 0],
  ["refused by Ollama", 400, "the node answered 400", ["rejected"], 1, 0],
  ["client left", 499, "the client left", ["cancelled"], 0, 0],
  ["broken off", 200, "truncated", ["truncated"], 1, 1],
  ["busy there", 503, "all busy", ["busy"], 1, 0],
  ["failed twice", 502, "all failed", ["server_error", "unreachable"], 1, 2],
  ["failed over", 200, null, ["connection_lost", "ok"], 0, 1],
])("a request that ended so counts once, its attempts at their nodes: %s", async (...row) => {
  const [, status, error, outcomes, fleet, node] = row;
  const { clock, log, stats } = watch();
  const record = log.begin(START);
  for (const outcome of outcomes) record.attempted(attemptAt("a", outcome));
  record.finish({ status, error });
  await clock.advance(10_000);
  expect(stats.hour(null).series).toMatchObject({ requests: [1], errors: [fleet] });
  expect(stats.hour("a").series).toMatchObject({ requests: [outcomes.length], errors: [node], waiting: [null] });
});

test("a stream's tokens are counted as they come, and the real number takes their place when it ends", async () => {
  const { clock, log, stats, samples } = watch();
  await clock.advance(5_000);
  const record = log.begin(START);
  record.sendingTo("a");
  record.firstByte();
  for (let second = 0; second < 20; second++) {
    record.sent(100);
    record.sent(100);
    await clock.advance(1_000);
  }
  expect(samples.map(({ fleet, nodes }) => [fleet.tokens, nodes.a?.tokens])).toEqual([
    [10, 10],
    [20, 20],
  ]);
  // From second 5 to second 25, 400 tokens: 20 a second.
  record.attempted(attemptAt("a"));
  record.tokens(7, 400);
  record.finish({ status: 200, error: null });
  await clock.advance(5_000);
  expect(stats.hour(null).series.tokens).toEqual([100, 200, 100]);
  expect(stats.hour("a").series.tokens).toEqual([100, 200, 100]);
});

test("a stream whose real number is never known keeps the estimate", async () => {
  const { clock, log, stats } = watch();
  const record = log.begin(START);
  record.sendingTo("a");
  record.firstByte();
  for (let piece = 0; piece < 7; piece++) record.sent(10);
  await clock.advance(12_000);
  for (let piece = 0; piece < 3; piece++) record.sent(10);
  record.finish({ status: 499, error: "the client left" });
  await clock.advance(10_000);
  expect(stats.hour(null).series.tokens).toEqual([7, 3]);
});

test.each<[what: string, changes: Partial<RequestStart>]>([
  ["a pull", { generates: false }],
  ["a whole answer that tells no number, such as vectors", { stream: false }],
])("what brings no tokens counts none: %s", async (_, changes) => {
  const { clock, log, stats } = watch();
  const record = log.begin({ ...START, ...changes });
  record.firstByte();
  for (let piece = 0; piece < 50; piece++) record.sent(10);
  await clock.advance(10_000);
  record.finish({ status: 200, error: null });
  await clock.advance(10_000);
  expect(stats.hour(null).series.tokens).toEqual([0, 0]);
  expect(stats.hour(null).series.first_token_p50_ms).toEqual([null, null]);
});

test("a whole answer's tokens are spread from when it was sent, since its first byte comes last", async () => {
  const { clock, log, stats } = watch();
  const record = log.begin({ ...START, stream: false });
  await clock.advance(10_000);
  record.sendingTo("a");
  await clock.advance(20_000);
  record.attempted(attemptAt("a"));
  record.firstByte();
  record.sent(9_000);
  record.tokens(1, 90);
  record.finish({ status: 200, error: null });
  await clock.advance(10_000);
  expect(stats.hour(null).series.tokens).toEqual([0, 45, 45, 0]);
});

test("first-token times are judged by streams only, in the step in which the stream began", async () => {
  const { clock, log, stats } = watch();
  for (const [ms, status, stream] of [
    [100, 200, true],
    [200, 200, true],
    [1_000, 200, true],
    [3_000, 200, false],
    [3_000, 400, true],
  ] as const) {
    const record = log.begin({ ...START, stream });
    record.sendingTo("a");
    void clock.after(ms, () => record.firstByte(status));
  }
  await clock.advance(20_000);
  expect(stats.hour(null).series.first_token_p50_ms).toEqual([200, null]);
  expect(stats.hour("a").series.first_token_p95_ms).toEqual([1000, null]);
});

test("of many first-token times a fair sample of 256 is kept, and the next step begins anew", async () => {
  const { clock, log, stats } = watch();
  for (let request = 0; request < 5_000; request++) log.begin(START).firstByte();
  await clock.advance(10_000);
  const late = log.begin(START);
  await clock.advance(1_500);
  late.firstByte();
  await clock.advance(10_000);
  expect(stats.hour(null).series.first_token_p95_ms).toEqual([0, 1500]);
});

test("active and waiting are the most of a step, looked at every second", async () => {
  const watched = watch();
  const { clock, nodes, stats, samples } = watched;
  nodes.set("a", { id: "a", reserved: 3 });
  nodes.set("b", { id: "b", reserved: 0 });
  watched.waiting = 5;
  await clock.advance(4_000);
  nodes.set("a", { id: "a", reserved: 1 });
  nodes.set("b", { id: "b", reserved: 1 });
  watched.waiting = 0;
  await clock.advance(7_000);
  nodes.clear();
  await clock.advance(10_000);
  expect(stats.hour(null).series).toMatchObject({ active: [3, 2], waiting: [5, 0] });
  expect(stats.hour("a").series).toMatchObject({ active: [3, 1], waiting: [null, null] });
  expect(samples.map((sample) => Object.keys(sample.nodes))).toEqual([
    ["a", "b"],
    ["a", "b"],
  ]);
});

test("a node has a series as long as it had work in the last hour", async () => {
  const { clock, log, stats } = watch();
  log.begin(START).attempted(attemptAt("nobody"));
  const record = log.begin(START);
  record.attempted(attemptAt("a"));
  record.finish({ status: 200, error: null });
  expect([stats.has("a"), stats.has("nobody")]).toEqual([true, false]);
  await clock.advance(3_600_000);
  expect(stats.hour("a").series.requests.reduce((sum, each) => sum + each, 0)).toBe(1);
  await clock.advance(30_000);
  expect(stats.has("a")).toBe(false);
  expect(stats.hour("a").series.requests).toEqual(Array(360).fill(0));
});

test("of more nodes than can be kept the one that was idle longest gives way", async () => {
  const { clock, log, stats } = watch();
  const serve = (node: string) => {
    const record = log.begin(START);
    record.attempted(attemptAt(node));
    record.finish({ status: 200, error: null });
  };
  serve("first");
  await clock.advance(10_000);
  for (let node = 0; node < 1_000; node++) serve(`n${node}`);
  expect([stats.has("first"), stats.has("n0"), stats.has("n999")]).toEqual([false, true, true]);
});

test("nothing ticks after its stop", async () => {
  const { clock, stats, samples } = watch();
  stats.stop();
  await clock.advance(60_000);
  expect([clock.pending, samples]).toEqual([0, []]);
});

const answer = fc.record({
  startMs: fc.integer({ min: 0, max: 200_000 }),
  firstByteMs: fc.integer({ min: 0, max: 20_000 }),
  streamMs: fc.integer({ min: 0, max: 100_000 }),
  pieces: fc.integer({ min: 0, max: 40 }),
  tokens: fc.integer({ min: 0, max: 5_000 }),
  stream: fc.boolean(),
  node: fc.constantFrom("a", "b"),
});

test("property: the tokens of all steps are the real numbers of all answers, of the fleet and of each node", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(answer, { maxLength: 8 }), async (answers) => {
      const { clock, log, stats } = watch();
      for (const { startMs, firstByteMs, streamMs, pieces, tokens, stream, node } of answers) {
        clock.after(startMs, () => {
          const record = log.begin({ ...START, stream });
          record.sendingTo(node);
          clock.after(firstByteMs, () => record.firstByte());
          for (let piece = 0; piece < pieces; piece++) {
            clock.after(firstByteMs + (streamMs * piece) / pieces, () => record.sent(9));
          }
          clock.after(firstByteMs + streamMs, () => {
            record.attempted(attemptAt(node));
            record.tokens(3, tokens);
            record.finish({ status: 200, error: null });
          });
        });
      }
      await clock.advance(340_000);
      const sum = (id: string | null) => stats.hour(id).series.tokens.reduce((total, each) => total + each, 0);
      const real = (id: string | null) =>
        answers.reduce((total, { node, tokens }) => total + (id === null || id === node ? tokens : 0), 0);
      for (const id of [null, "a", "b"]) expect([id, sum(id)]).toEqual([id, real(id)]);
      expect(Math.min(...stats.hour(null).series.tokens)).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 60 },
  );
}, 60_000);
