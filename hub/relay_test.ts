/** The commit, without sockets: every stream cut at every byte, in whatever pieces it comes. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import type { Job } from "./job.ts";
import { AttemptError, type ByteSource } from "./line.ts";
import { type Answer, readAnswerOf } from "./read_answer.ts";
import { type RelayEnd, relay } from "./relay.ts";
import { createRequestLog } from "./request_log.ts";
import { jobFor } from "./testing/job.ts";
import { type RecordedStream, recordStreams } from "./testing/streams.ts";

/** As Ollama counts them: two words and the end. */
const TOKENS = 3;
const streams = await recordStreams(TOKENS - 1);
const each = streams.map((stream) => [stream.path, stream] as const);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const route = {
  family: "IPv4",
  address: "192.0.2.1",
  origin: "http://192.0.2.1:8001",
  reachable: true,
  rttMs: 1,
} as const;
const from = { nodeId: "a", route };
const BROKEN = new Error("ECONNRESET");

type Ending = "ends" | "breaks";

/** `bytes` in pieces that end at `cuts`, and then an end or a break. */
function sourceOf(bytes: Uint8Array, cuts: readonly number[], ending: Ending): ByteSource & { closed: boolean } {
  const places = [...new Set([...cuts.filter((cut) => cut < bytes.length), bytes.length])].toSorted((a, b) => a - b);
  let at = 0;
  const source = {
    closed: false,
    async read() {
      const next = places.shift();
      if (next === undefined || next === at) {
        if (ending === "breaks") throw BROKEN;
        return null;
      }
      const piece = bytes.subarray(at, next);
      at = next;
      return piece;
    },
    close() {
      source.closed = true;
    },
  };
  return source;
}

/** What a client of `stream` gets when the node sends `bytes` in these pieces; null where nothing was committed. */
async function relayed(stream: RecordedStream, bytes: Uint8Array, cuts: readonly number[], ending: Ending) {
  const clock = fakeClock();
  const log = createRequestLog({ clock, keepPrompts: true, onFinish: () => {} });
  const job: Job = jobFor(log, { face: stream.face });
  const source = sourceOf(bytes, cuts, ending);
  const line = { signal: new AbortController().signal, read: () => source, close: () => source.close() };
  const ends: RelayEnd[] = [];
  let answer: Answer;
  try {
    const outcome = await readAnswerOf(job, from, new Response("", { status: 200 }), line);
    if (outcome.kind !== "answer") throw new Error(`the outcome is ${outcome.kind}`);
    answer = outcome.answer;
  } catch (error) {
    if (!(error instanceof AttemptError) && error !== BROKEN) throw error;
    return null;
  }
  const response = relay(job, answer, new Headers(), { clock, slowReaderMs: 60_000 }, (end) => ends.push(end));
  const received = await response.bytes();
  return { received, ends, pending: clock.pending, closed: source.closed };
}

function expectWholeOrCut(stream: RecordedStream, length: number, got: Awaited<ReturnType<typeof relayed>>): void {
  const whole = text(stream.bytes);
  const { face } = stream;
  // Nothing was committed: only possible as long as no frame was whole.
  if (got === null) return expect(face.framing.endOfLastFrame(stream.bytes.subarray(0, length))).toBe(0);
  const received = text(got.received);
  expect(got.ends).toHaveLength(1);
  expect(got.pending).toBe(0);
  const [end] = got.ends;
  if (end?.kind === "whole") {
    expect(length).toBeGreaterThanOrEqual(stream.wholeAt);
    expect(whole.slice(0, length)).toBe(received);
    return expect(end.end?.kind).toBe("done");
  }
  if (end?.kind !== "cut") throw new Error(`the end is ${end?.kind}`);
  expect(got.closed).toBe(true);
  const frame = text(face.errorFrame(end.error.message));
  expect(received).toEndWith(frame);
  // Before it whole frames only, all there were, and no end.
  const passed = received.slice(0, -frame.length);
  expect(passed).toBe(whole.slice(0, face.framing.endOfLastFrame(stream.bytes.subarray(0, length))));
  expect(face.framing.readLast(new TextEncoder().encode(passed)).kind).toBe("unfinished");
  expect(face.framing.readLast(got.received)).toEqual({ kind: "error", message: end.error.message });
}

for (const ending of ["ends", "breaks"] as const) {
  test.each(each)(
    `a stream of %s that ${ending} at any byte is whole, or cut between frames with one error frame`,
    async (_, stream) => {
      for (let length = 0; length <= stream.bytes.length; length++) {
        const bytes = stream.bytes.subarray(0, length);
        // At once; after a first frame; in halves; and with the last byte alone.
        const firstFrame = text(stream.bytes).indexOf("}\n") + 2;
        for (const cuts of [[], [firstFrame], [length >> 1], [firstFrame, length - 1]]) {
          const got = await relayed(
            stream,
            bytes,
            cuts.filter((cut) => cut > 0),
            ending,
          );
          expectWholeOrCut(stream, length, got);
        }
      }
    },
  );
}

test.each(each)("a stream of %s passes byte for byte, whatever pieces it comes in", async (_, stream) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(stream.bytes.length)), async (cuts) => {
      const got = await relayed(
        stream,
        stream.bytes,
        cuts.filter((cut) => cut > 0),
        "ends",
      );
      expect(got === null ? null : text(got.received)).toBe(text(stream.bytes));
      expectWholeOrCut(stream, stream.bytes.length, got);
    }),
  );
});

const counted = each.filter(([path]) => path !== "/v1/completions");

test.each(counted)("the tokens of a stream of %s are counted, in whatever pieces its end comes", async (_, stream) => {
  const { bytes, wholeAt } = stream;
  for (let back = 1; back < 400; back++) {
    const got = await relayed(stream, bytes, [bytes.length - back], "ends");
    expect(got?.ends).toMatchObject([
      { kind: "whole", end: { promptTokens: expect.any(Number), completionTokens: TOKENS } },
    ]);
  }
  // Without its very last line feeds it is whole too, where clients take it so.
  const [end] = (await relayed(stream, bytes.subarray(0, wholeAt), [], "ends"))?.ends ?? [];
  expect(end).toMatchObject({ kind: "whole", end: { kind: "done", completionTokens: TOKENS } });
});

test.each(each)("what comes behind the end of %s is not taken for a failure", async (_, stream) => {
  const bytes = new Uint8Array(Buffer.concat([stream.bytes, new TextEncoder().encode(": bye")]));
  const got = await relayed(stream, bytes, [stream.bytes.length], "ends");
  expect(got?.ends[0]?.kind).toBe("whole");
  expect(text(got?.received ?? new Uint8Array())).toBe(text(stream.bytes));
});
