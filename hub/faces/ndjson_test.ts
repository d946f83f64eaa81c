import { expect, test } from "bun:test";
import fc from "fast-check";
import type { StreamEnd } from "../job.ts";
import { framesOfPieces } from "../testing/cut.ts";
import { errorLine, ndjson } from "./ndjson.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array) => new TextDecoder().decode(of);

const unfinished: StreamEnd = { kind: "unfinished" };
const done = (promptTokens: number | null = null, completionTokens: number | null = null): StreamEnd => ({
  kind: "done",
  promptTokens,
  completionTokens,
  slotWaitMs: null,
});

test.each<[stream: string, end: number]>([
  ["", 0],
  ["no line yet", 0],
  ["\n", 1],
  ["one\n", 4],
  ["one\ntwo", 4],
  ["one\ntwo\n", 8],
  ["one\r\ntwo\r", 5],
])("of %p the whole lines end at %p", (stream, end) => {
  expect(ndjson.endOfLastFrame(bytes(stream))).toBe(end);
});

const token = '{"model":"llama3.2","created_at":"2026-08-21T18:48:22.104512873Z","response":"Hello","done":false}\n';
const last =
  '{"model":"llama3.2","response":"","done":true,"done_reason":"stop","prompt_eval_count":26,"eval_count":4}\n';
const context = `[${Array(40_000).fill(128_009).join(",")}]`;

const waited =
  '{"done":true,"total_duration":9000000000,"load_duration":1000000,"prompt_eval_duration":999000000,"eval_duration":2000000000}\n';

test.each<[what: string, frame: string, end: StreamEnd]>([
  ["a last line that waited for a slot", waited, { ...done(), slotWaitMs: 6_000, writingMs: 2_000 } as StreamEnd],
  ["a duration that is no number", waited.replace("2000000000", '"2"'), done()],
  ["nothing", "", unfinished],
  ["an empty line", "\n", unfinished],
  ["a token", token, unfinished],
  ["the last line", last, done(26, 4)],
  ["tokens and the last line", token + token + last, done(26, 4)],
  ["the last line with a carriage return", last.replace("\n", "\r\n"), done(26, 4)],
  ["the last line without its line feed", last.trimEnd(), done(26, 4)],
  ["a token after the last line", last + token, unfinished],
  ["a last line without counts", '{"done":true}\n', done()],
  ["a last line with the prompt cached", '{"done":true,"eval_count":4}\n', done(null, 4)],
  ["a last line with a long context", `{"done":true,"context":${context},"eval_count":9}\n`, done(null, 9)],
  ["a long line cut in its context", `{"done":true,"context":${context.slice(0, -9)}`, unfinished],
  ["an error", '{"error":"unexpected EOF"}\n', { kind: "error", message: "unexpected EOF" }],
  ["an error after tokens", `${token}{"error":"unexpected EOF"}\n`, { kind: "error", message: "unexpected EOF" }],
  ["an error that also says done", '{"error":"x","done":true}\n', { kind: "error", message: "x" }],
  ["an empty error", '{"error":"","done":true}\n', done()],
  ["done in words", '{"done":"true"}\n', unfinished],
  ["garbage", "<html>\n", unfinished],
  ["half a line", '{"done":tr', unfinished],
  ["a bare value", "true\n", unfinished],
  ["null", "null\n", unfinished],
  ["a list", '[{"done":true}]\n', unfinished],
  ["bytes that are no UTF-8 in a token", `${token}\u{fffd}\n`, unfinished],
  ["the last line after garbage", `<html>\n${last}`, done(26, 4)],
  ["counts that are no numbers", '{"done":true,"prompt_eval_count":null,"eval_count":"4"}\n', done()],
])("a stream that ends with %s is read as it is", (_, frame, end) => {
  expect(ndjson.readLast(bytes(frame))).toEqual(end);
});

test("a whole answer is read by the same rules", () => {
  expect(ndjson.readWhole({ done: true, eval_count: 3 })).toEqual(done(null, 3));
  expect(ndjson.readWhole({ error: "x" })).toEqual({ kind: "error", message: "x" });
  expect(ndjson.readWhole(undefined)).toEqual(unfinished);
});

test("the error line is one line, without done, that reads back as the error", () => {
  const message = 'broke "here"\nand there\u2028';
  const line = text(errorLine(message));
  expect(line.indexOf("\n")).toBe(line.length - 1);
  expect(JSON.parse(line)).toEqual({ error: message });
  expect(ndjson.readLast(errorLine(message))).toEqual({ kind: "error", message });
});

test("a stream cut at any bytes and put together by its frames is the same stream, and every frame ends a line", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary" }).map((response) => JSON.stringify({ response, done: false })),
    fc.string({ unit: "grapheme", maxLength: 400 }).map((thinking) => JSON.stringify({ thinking })),
    fc.constant(""),
    fc.constant("\r"),
  );
  const stream = fc.record({
    lines: fc.array(line, { maxLength: 12 }),
    unterminated: fc.constantFrom("", '{"do', "é"),
  });
  fc.assert(
    fc.property(stream, fc.array(fc.nat(5_000), { maxLength: 20 }), ({ lines, unterminated }, cuts) => {
      const whole = bytes(lines.map((entry) => `${entry}\n`).join("") + unterminated);
      const { frames, partial } = framesOfPieces(ndjson, whole, cuts);
      for (const frame of frames) expect(frame.at(-1)).toBe(10);
      expect(text(partial)).toBe(unterminated);
      expect(Buffer.concat([...frames, partial]).equals(whole)).toBe(true);
    }),
  );
});

test("truncated at any byte, a stream is never taken for a whole one", () => {
  const whole = bytes(token + token + last);
  for (let length = 0; length < whole.length - 1; length++) {
    expect(ndjson.readLast(whole.subarray(0, length)).kind).toBe("unfinished");
  }
});

test("whatever bytes come, reading the last line never throws", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (any) => expect(ndjson.readLast(any).kind).toBeString()));
});
