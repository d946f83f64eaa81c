/** What an attempt teaches, without sockets. */
import { expect, test } from "bun:test";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { NO_RESERVATION } from "./fleet/reservation.ts";
import { createRequestLog } from "./request_log.ts";
import { fakeFleet } from "./testing/fake_fleet.ts";
import { jobFor } from "./testing/job.ts";
import { learnFromFirstToken } from "./verdict.ts";

const ROUTE = { family: "IPv4", address: "192.0.2.1", origin: "http://192.0.2.1", reachable: true, rttMs: 1 } as const;

/** What a whole answer `ms` after its request was sent, written for `writingMs`, tells of its first token. */
function firstTokenOf(ms: number, writingMs: number | null): number | null | undefined {
  const log = createRequestLog({ clock: fakeClock(), keepPrompts: false, onFinish: () => {} });
  let told: number | null | undefined;
  const answered = (firstByteMs?: number | null) => {
    told = firstByteMs;
  };
  const answer = {
    status: 200,
    headers: new Headers(),
    bytes: new Uint8Array(),
    rest: null,
    hasToken: true,
    writingMs,
  };
  const outcome = { kind: "answer", nodeId: "a", route: ROUTE, answer } as const;
  const { registry } = fakeFleet();
  learnFromFirstToken(jobFor(log, { stream: false }), outcome, { ...NO_RESERVATION, answered }, ms, registry);
  return told;
}

test.each<[what: string, writingMs: number | null, told: number | null]>([
  ["that tells how long it was written", 900, 100],
  ["that does not tell it", null, null],
  // Of a suspended hub the time that passed does not count, and a node may say anything: it would be the fastest of all.
  ["said to have been written for longer than it took", 1_001, null],
])("a whole answer %s tells of its first token what can be true", (_, writingMs, told) => {
  expect(firstTokenOf(1_000, writingMs)).toBe(told);
});
