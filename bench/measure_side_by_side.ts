/** What every contender is measured by, in turns: streams, small requests, the first byte. */

import type { Contender } from "./contender.ts";
import { addRound, type Measured } from "./measured.ts";
import { ENDLESS, orderOf, type Plan } from "./plan.ts";
import { processorMsOf } from "./process_figures.ts";
import { playLoad, playOneByOne } from "./testers.ts";
import { runWrk } from "./wrk.ts";

/** One chunk at once and the end a moment later. */
const SHORT_STREAM = { chunks: 1, everyMs: 2 };

/** Processor time a chunk and delay of chunks, at many streams at the pace of a model. */
export async function measureStreams(contenders: readonly Contender[], plan: Plan, into: Measured): Promise<void> {
  const { count, everyMs, warmMs, windowMs } = plan.streams;
  const pace = { chunks: ENDLESS, everyMs };
  for (let round = 0; round < plan.rounds; round++) {
    for (const { name, port, pids } of orderOf(contenders, round)) {
      const clock = processorClock(pids());
      const load = { port, pace, kind: "window", streams: count, warmMs, windowMs } as const;
      const { chunks, p50, p99, failures } = await playLoad(load, (event) => {
        if (event === "begin") clock.begin();
        if (event === "end") clock.end();
      });
      addRound(into.streams, name, { cpuUs: clock.usFor(chunks), p50, p99 });
      for (const failure of failures) into.notes.push(`a stream through ${name} failed: ${failure}`);
    }
  }
}

/** Small whole answers, as many as there can be. */
export async function measureRequests(
  contenders: readonly Contender[],
  { requests, rounds }: Plan,
  folder: string,
  into: Measured,
): Promise<void> {
  const { connections, seconds, warmSeconds } = requests;
  for (const { port } of contenders) await runWrk(port, connections, warmSeconds, folder);
  for (let round = 0; round < rounds; round++) {
    for (const { name, port, pids } of orderOf(contenders, round)) {
      const clock = processorClock(pids());
      clock.begin();
      const { requestsPerSecond, requests: done, failed } = await runWrk(port, connections, seconds, folder);
      clock.end();
      addRound(into.requests, name, { perSecond: requestsPerSecond, cpuUs: clock.usFor(done) });
      if (failed > 0) into.notes.push(`${failed} of ${done} small requests to ${name} failed`);
    }
  }
}

/** Time to the first byte of a stream when nothing else is going on. */
export async function measureFirstByte(contenders: readonly Contender[], plan: Plan, into: Measured): Promise<void> {
  for (let round = 0; round < plan.rounds; round++) {
    for (const { name, port } of orderOf(contenders, round)) {
      const { p50 } = await playOneByOne({ port, pace: SHORT_STREAM, ...plan.firstByte });
      addRound(into.firstByte, name, p50);
    }
  }
}

/** Processor time of `pids` from `begin` to `end`. */
function processorClock(pids: readonly number[]) {
  let began = 0;
  let took = Number.NaN;
  return {
    begin() {
      began = processorMsOf(pids);
    },
    end() {
      took = processorMsOf(pids) - began;
    },
    /** Microseconds for each of `count`; NaN where there is no process. */
    usFor: (count: number) => (pids.length === 0 ? Number.NaN : (took * 1000) / count),
  };
}
