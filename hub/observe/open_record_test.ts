/** What a request counts as used, whoever did not count it. */
import { expect, test } from "bun:test";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import type { RequestStart } from "../request_log.ts";
import { CHAT } from "../testing/record.ts";
import { type OpenRecordDeps, openRecord } from "./open_record.ts";

const DEPS: OpenRecordDeps = { clock: fakeClock(), keepPrompts: false, onFirstByte() {}, onFinish() {} };

interface Course {
  readonly start?: Partial<RequestStart>;
  readonly sent?: boolean;
  readonly pieces?: number;
  readonly counts?: readonly [prompt: number | null, completion: number | null];
  readonly status?: number;
}

/** Tokens that a request of 400 bytes has used which went like this. */
function used({ start, sent = true, pieces = 0, counts, status = 200 }: Course): number {
  let tokens = Number.NaN;
  const record = openRecord(
    {
      ...CHAT,
      bodyBytes: 400,
      onEnd: (end) => {
        tokens = end.tokens;
      },
      ...start,
    },
    DEPS,
  );
  if (sent) record.sendingTo("a");
  for (let piece = 0; piece < pieces; piece++) record.sent(10);
  if (counts) record.tokens(...counts);
  record.finish({ status, error: null });
  return tokens;
}

test.each<[what: string, course: Course, tokens: number]>([
  ["an answer that the node counted", { pieces: 9, counts: [7, 8] }, 15],
  ["a stream that its client left", { pieces: 3, status: 499 }, 103],
  ["a whole answer that its client left", { start: { stream: false }, status: 499 }, 100],
  ["a whole answer that counts nothing", { start: { stream: false }, counts: [null, null] }, 100],
  ["a stream that counts nothing", { pieces: 5, counts: [null, null] }, 105],
  ["an answer whose node counts below nothing", { counts: [-1e9, -5], pieces: 5 }, 105],
  ["an answer whose node counts beyond all sense", { counts: [1e300, Number.NaN], pieces: 5 }, 105],
  ["a picture", { start: { bodyBytes: 50_000_000 }, status: 499 }, 16_384],
  ["one that no node got", { sent: false, status: 499 }, 0],
  ["one that every node refused", { status: 503 }, 0],
  ["a question that runs no model", { start: { generates: false }, pieces: 1 }, 0],
])("%s uses tokens", (_, course, tokens) => {
  expect(used(course)).toBe(tokens);
});
