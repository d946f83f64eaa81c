import { expect, test } from "bun:test";
import { CHUNK_BYTES, chunkAt, lastLine, now, paceIn, requestBody, writtenAt } from "./chunk.ts";

test("a chunk is one line of a hundred bytes that Ollama could have written", () => {
  const chunk = chunkAt(now());
  expect(Buffer.byteLength(chunk)).toBe(CHUNK_BYTES);
  expect(chunk.indexOf("\n")).toBe(CHUNK_BYTES - 1);
  expect(JSON.parse(chunk)).toMatchObject({ done: false });
});

test("the time stamp of a chunk is read again to the microsecond", () => {
  expect(writtenAt(chunkAt(1_795_413_184_568.211))).toBe(1_795_413_184_568.211);
});

test("a last line has no time stamp", () => {
  expect(writtenAt(lastLine(5))).toBeNaN();
  expect(JSON.parse(lastLine(5))).toMatchObject({ done: true, eval_count: 5 });
});

test("the pace of a request is read again by the upstream", () => {
  expect(paceIn(requestBody({ chunks: 250, everyMs: 20 }))).toEqual({ chunks: 250, everyMs: 20 });
});

test("a request without a pace wants a whole answer", () => {
  expect(paceIn(requestBody(null))).toBeNull();
});
