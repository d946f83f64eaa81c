/** What ends the line of one attempt, and when: the client, a loss, the time limits, on a clock that tests move. */
import { expect, test } from "bun:test";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { NodeLost, newEntry } from "./fleet/node_record.ts";
import { takeSlot } from "./fleet/reservation.ts";
import type { Job } from "./job.ts";
import { AttemptError, type Line, openLine } from "./line.ts";
import { createRequestLog } from "./request_log.ts";
import { jobFor, MODEL } from "./testing/job.ts";

const TIMES = { firstByteMs: 120_000, firstByteLoadingMs: 300_000, wholeAnswerMs: 600_000, idleMs: 60_000 };

/** A line to a node that has the model on disk, and in memory where `loaded`. */
function open(changes: Partial<Job> = {}, { loaded = true } = {}) {
  const clock = fakeClock();
  const stopping = new AbortController();
  const leaving = new AbortController();
  const node = newEntry("a", 0, clock.wall(), 1);
  node.knowsLoaded = true;
  if (loaded) node.loaded = new Set([MODEL]);
  const reservation = takeSlot(node, { model: MODEL, id: "id" }, { clock, usualMs: () => null, onChange: () => {} });
  const heard: string[] = [];
  const log = createRequestLog({ clock, keepPrompts: true, onFinish: () => {} });
  const job = jobFor(log, { deadlineAt: 1_800_000, signal: leaving.signal, ...changes });
  const connect = (): Line =>
    openLine(job, node, {
      clock,
      attemptTimes: TIMES,
      onData: (id) => heard.push(id),
      stopping: stopping.signal,
    });
  return { clock, node, reservation, stopping, leaving, heard, connect };
}

const reasonOf = (line: Line): unknown => {
  const { reason } = line.signal;
  if (!line.signal.aborted) return "open";
  return reason instanceof AttemptError ? `${reason.failure} ${reason.status}` : String(reason);
};

test("a client that leaves ends the line at once when the model is in memory", () => {
  const { leaving, connect } = open();
  const line = connect();
  leaving.abort(new Error("left"));
  expect(reasonOf(line)).toBe("Error: left");
});

test("a client that left before the line was opened ends it at once, also when the model is not in memory", () => {
  for (const loaded of [true, false]) {
    const { leaving, connect, clock } = open({}, { loaded });
    leaving.abort(new Error("left"));
    const line = connect();
    expect(reasonOf(line)).toBe("Error: left");
    line.close();
    expect(clock.pending).toBe(0);
  }
});

test("a client that leaves while the model loads ends the line when the load is over", async () => {
  const { clock, leaving, reservation, connect } = open({}, { loaded: false });
  const line = connect();
  leaving.abort(new Error("left"));
  await clock.advance(60_000);
  expect(reasonOf(line)).toBe("open");
  reservation.answered();
  await clock.advance(250);
  expect(reasonOf(line)).toBe("Error: left");
});

test("the load is over for it also when the node's list says so before an answer comes", async () => {
  const { clock, leaving, node, connect } = open({}, { loaded: false });
  const line = connect();
  leaving.abort(new Error("left"));
  await clock.advance(1_000);
  expect(reasonOf(line)).toBe("open");
  node.loaded = new Set([MODEL]);
  await clock.advance(250);
  expect(reasonOf(line)).toBe("Error: left");
});

test.each<[what: string, act: (opened: ReturnType<typeof open>) => Promise<unknown> | unknown, reason: string]>([
  ["the node is lost", ({ node }) => node.losing.abort(new NodeLost("gone", false)), "node_lost 502"],
  ["the agent is started again", ({ node }) => node.losing.abort(new NodeLost("new boot", true)), "node_restarted 502"],
  ["the hub stops", ({ stopping }) => stopping.abort(), "hub_stopping 503"],
  ["no first byte comes", ({ clock }) => clock.advance(120_000), "first_byte_timeout 504"],
])("a load that nobody waits for any more ends when %s", async (_, act, reason) => {
  const opened = open({}, { loaded: false });
  const line = opened.connect();
  opened.leaving.abort(new Error("left"));
  await act(opened);
  expect(reasonOf(line)).toBe(reason);
  line.close();
  expect(opened.clock.pending).toBe(0);
});

test.each<[what: string, changes: Partial<Job>, loading: boolean, limitMs: number]>([
  ["a stream", {}, false, 120_000],
  ["a stream whose model the node says to be loading", {}, true, 300_000],
  ["a whole answer", { stream: false }, false, 600_000],
  ["a whole answer whose model loads", { stream: false }, true, 600_000],
  ["a request that has less time left", { deadlineAt: 5_000 }, true, 5_000],
])("%s is given up exactly when its time is over", async (_, changes, loading, limitMs) => {
  const { clock, node, connect } = open(changes);
  if (loading) node.loading = new Set([MODEL]);
  const line = connect();
  await clock.advance(limitMs - 1);
  expect(reasonOf(line)).toBe("open");
  await clock.advance(1);
  expect(reasonOf(line)).toBe(limitMs === 5_000 ? "deadline 504" : "first_byte_timeout 504");
  line.close();
  expect(clock.pending).toBe(0);
});

test("a line that was closed leaves nothing running, however often it is closed", async () => {
  const { clock, connect, leaving } = open({}, { loaded: false });
  const line = connect();
  leaving.abort(new Error("left"));
  line.close();
  line.close();
  expect(clock.pending).toBe(0);
  expect(line.signal.aborted).toBe(true);
});

test("an answer read to its end leaves nothing running, and every piece is a sign of life", async () => {
  const { clock, connect, heard } = open();
  const source = connect().read(new Response("abc"));
  expect(new TextDecoder().decode((await source.read()) ?? undefined)).toBe("abc");
  expect(await source.read()).toBeNull();
  expect(clock.pending).toBe(0);
  expect(heard).toEqual(["a", "a"]);
});

test("a pause between two pieces is bounded, the wait for the first one is not bounded by it", async () => {
  const { clock, connect } = open();
  const line = connect();
  const pieces = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await pieces.promise;
      controller.enqueue(new Uint8Array([1]));
      return new Promise(() => {});
    },
  });
  const source = line.read(new Response(body));
  const first = source.read();
  await clock.advance(100_000);
  expect(reasonOf(line)).toBe("open");
  pieces.resolve();
  await first;
  void source.read().catch(() => {});
  await clock.advance(59_999);
  expect(reasonOf(line)).toBe("open");
  await clock.advance(1);
  expect(reasonOf(line)).toBe("stalled 504");
});

test("between two reads no limit runs: a client that is slow is not the node's fault", async () => {
  const { clock, connect } = open();
  const line = connect();
  const source = line.read(new Response("abc"));
  await source.read();
  await clock.advance(500_000);
  expect(reasonOf(line)).toBe("open");
});
