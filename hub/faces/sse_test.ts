import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Framing, StreamEnd } from "../job.ts";
import { framesOfPieces } from "../testing/cut.ts";
import { messagesFace } from "./anthropic.ts";
import { completionsFace, responsesFace } from "./openai.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array) => new TextDecoder().decode(of);
const completions = completionsFace.framing;
const responses = responsesFace.framing;
const messages = messagesFace.framing;
const framings = [completions, responses, messages];

test.each<[stream: string, end: number]>([
  ["", 0],
  ["\n", 0],
  ["\r\n", 0],
  ["data: a", 0],
  ["data: a\n", 0],
  ["data: a\n\n", 9],
  ["data: a\n\ndata: b\n", 9],
  ["data: a\n\ndata: b\n\n", 18],
  ["data: a\r\n\r\n", 11],
  ["data: a\r\n\r", 0],
  ["data: a\n\r\n", 10],
  ["data: a\r\n\n", 10],
  ["event: x\ndata: a\n\n\n", 19],
  [": wait\n\n", 8],
])("of %j the whole events end at %p", (stream, end) => {
  for (const framing of framings) expect(framing.endOfLastFrame(bytes(stream))).toBe(end);
});

test.each<[frames: string, is: boolean]>([
  ["data: {}\n\n", false],
  ['data: {"login":"required"}\n\n', false],
  ["event: hello\ndata: {}\n\n", false],
  ['data: {"error":{"message":"no"}}\n\n', true],
  ["retry: 3000\n\n", true],
  [": wait\n\n", true],
  ["<html>\n\n", false],
  ["database: x\n\n", false],
  ['{"error":"x"}\n\n', false],
  ["\n\n", false],
  ["\u0000\u0001\n\n", false],
])("%j may begin a stream of events: %p", (frames, is) => {
  for (const framing of framings) expect(framing.isFirst(bytes(frames))).toBe(is);
});

const unfinished: StreamEnd = { kind: "unfinished" };
const done = (promptTokens: number | null = null, completionTokens: number | null = null): StreamEnd => ({
  kind: "done",
  promptTokens,
  completionTokens,
  slotWaitMs: null,
});
const error = (message: string): StreamEnd => ({ kind: "error", message });
const data = (json: object) => `data: ${JSON.stringify(json)}\n\n`;
const event = (json: { type: string }) => `event: ${json.type}\n${data(json)}`;

const token = data({ object: "chat.completion.chunk", choices: [{ index: 0, delta: { content: '"usage" [DONE]' } }] });
const noUsage = data({ choices: [], usage: { prompt_tokens: 0, completion_tokens: 0 } });
const usage = data({ choices: [], usage: { prompt_tokens: 26, completion_tokens: 4, total_tokens: 30 } });
const last = "data: [DONE]\n\n";

test.each<[what: string, frames: string, end: StreamEnd]>([
  ["nothing", "", unfinished],
  ["a token", token, unfinished],
  ["the counts, and then nothing", token + usage, unfinished],
  ["[DONE]", last, done()],
  ["[DONE] without a space", "data:[DONE]\n\n", done()],
  ["[DONE] with carriage returns", "data: [DONE]\r\n\r\n", done()],
  ["[DONE] without its blank line", token + last.trimEnd(), done()],
  ["half of [DONE]", `${token}data: [DON`, unfinished],
  ["the counts and [DONE]", usage + last, done(26, 4)],
  ["counts in every event", noUsage + noUsage + usage + last, done(26, 4)],
  ["a count that is null", data({ choices: [], usage: null }) + last, done()],
  ["[DONE] and the beginning of something", `${usage}${last}data: {`, done(26, 4)],
  ["an error", token + data({ error: { message: "unexpected EOF" } }), error("unexpected EOF")],
  ["an error in a string", token + data({ error: "unexpected EOF" }), error("unexpected EOF")],
  ["an error of another shape", data({ error: { code: 500 } }), error("an error without a message")],
  ["an error and [DONE]", data({ error: { message: "x" } }) + last, error("x")],
  ["an error after [DONE], which nobody reads", last + data({ error: { message: "x" } }), done()],
  ["an error event that is no JSON", "event: error\ndata: unexpected EOF\n\n", error("unexpected EOF")],
  ["an error without its blank line, which no client hears of", data({ error: "x" }).trimEnd(), unfinished],
  ["an error that is null", data({ error: null }), unfinished],
  ["a comment", ": wait\n\n", unfinished],
  ["[DONE] in a comment", ": [DONE]\n\n", unfinished],
  ["events that are no JSON", "data: <html>\n\ndata: [1\n\ndata: null\n\ndata: 7\n\n", unfinished],
])("a stream of completions that ends with %s is read as it is", (_, frames, end) => {
  expect(completions.readLast(bytes(frames))).toEqual(end);
});

const created = event({ type: "response.created", ...{ response: { status: "in_progress", error: null } } });
const delta = event({ type: "response.output_text.delta", ...{ delta: "Hello" } });
const ended = (type: string, response: object) => event({ type, ...{ response } });
const counts = { usage: { input_tokens: 9, output_tokens: 2 } };
const failed = ended("response.failed", { status: "failed", error: { code: "server_error", message: "why" } });
const completed = ended("response.completed", { status: "completed", error: null, output: [], ...counts });
const reported = event({ type: "error", ...{ code: null, message: "why", param: null } });

test.each<[what: string, frames: string, end: StreamEnd]>([
  ["its beginning", created, unfinished],
  ["a piece of text", created + delta, unfinished],
  ["response.completed", delta + completed, done(9, 2)],
  ["response.completed without its blank line", delta + completed.trimEnd(), unfinished],
  ["response.incomplete", ended("response.incomplete", { status: "incomplete", ...counts }), done(9, 2)],
  ["response.completed without counts", ended("response.completed", {}), done()],
  ["response.failed", delta + failed, error("why")],
  ["an error as specified", delta + reported, error("why")],
  ["an error as other routes have it", delta + data({ error: { message: "why" } }), error("why")],
  ["[DONE], which this route does not have", delta + last, unfinished],
])("a stream of a response that ends with %s is read as it is", (_, frames, end) => {
  expect(responses.readLast(bytes(frames))).toEqual(end);
});

const start = event({ type: "message_start", ...{ message: { usage: { input_tokens: 9, output_tokens: 0 } } } });
const stopReason = event({ type: "message_delta", ...{ delta: { stop_reason: "end_turn" } } });
const stopCounts = event({ type: "message_delta", ...{ delta: {}, usage: { input_tokens: 26, output_tokens: 2 } } });
const stop = event({ type: "message_stop" });

test.each<[what: string, frames: string, end: StreamEnd]>([
  ["its beginning", start, unfinished],
  ["the reason why it stops", start + stopReason, unfinished],
  ["message_stop", stop, done()],
  ["message_stop after an estimate", start + stop, done()],
  ["counts and message_stop", start + stopCounts + stop, done(26, 2)],
  ["message_stop without its blank line", stopCounts + stop.trimEnd(), unfinished],
  ["an error", start + event({ type: "error", ...{ error: { type: "api_error", message: "why" } } }), error("why")],
  ["an error without a name", start + data({ error: { message: "why" } }), error("why")],
])("a stream of a message that ends with %s is read as it is", (_, frames, end) => {
  expect(messages.readLast(bytes(frames))).toEqual(end);
});

test.each<[what: string, framing: Framing, stream: string, wholeAt: number]>([
  ["completions", completions, token + usage + last, (token + usage).length + "data: [DONE]".length],
  ["a response", responses, created + delta + completed, (created + delta + completed).length],
  ["a message", messages, start + stopCounts + stop, (start + stopCounts + stop).length],
])("truncated at any byte, a stream of %s is never taken for a whole one", (_, framing, stream, wholeAt) => {
  for (let length = 0; length < wholeAt; length++) {
    expect(framing.readLast(bytes(stream).subarray(0, length)).kind).toBe("unfinished");
  }
  expect(framing.readLast(bytes(stream).subarray(0, wholeAt)).kind).toBe("done");
});

test("a stream cut at any bytes and put together by its frames is the same stream, and every frame ends an event", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary" }).map((content) => `data: ${JSON.stringify({ content })}`),
    fc.constantFrom("event: message_stop", ": wait", "", "data: [DONE]", "nonsense"),
  );
  const stream = fc
    .array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\n\n", "\r\n\r\n")), { maxLength: 20 })
    .map((lines) => bytes(lines.map((each) => each.join("")).join("")));
  fc.assert(
    fc.property(stream, fc.array(fc.nat(5_000), { maxLength: 20 }), (whole, cuts) => {
      const { frames, partial } = framesOfPieces(completions, whole, cuts);
      for (const frame of frames) expect(text(frame)).toMatch(/\n\r?\n$/);
      expect(Buffer.concat([...frames, partial]).equals(whole)).toBe(true);
    }),
  );
});

test("whatever bytes come, nothing throws", () => {
  const pieces = fc.constantFrom(
    "data:",
    "event: error",
    "\n",
    "\r",
    "\r\n\r\n",
    "\n\n",
    "{",
    '"error":',
    "[DONE]",
    "}",
  );
  const streamLike = fc.array(fc.oneof(pieces, fc.string({ unit: "binary", maxLength: 4 })), { maxLength: 30 });
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    streamLike.map((each) => bytes(each.join(""))),
  );
  fc.assert(
    fc.property(any, (stream) => {
      for (const framing of framings) {
        expect(framing.readLast(stream).kind).toBeString();
        expect(framing.isFirst(stream)).toBeBoolean();
        const end = framing.endOfLastFrame(stream);
        expect(end).toBeGreaterThanOrEqual(0);
        expect(end).toBeLessThanOrEqual(stream.length);
      }
    }),
  );
});

test("JSON nested beyond all sense does not throw either", () => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  for (const framing of framings) {
    expect(framing.readLast(bytes(`data: {"error":${deep}}\n\n`)).kind).toBeString();
    expect(framing.readLast(bytes(`data: {"usage":${deep}}\n\n`)).kind).toBe("unfinished");
  }
});
