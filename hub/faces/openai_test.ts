import { expect, test } from "bun:test";
import type { Face, Refusal, StreamEnd } from "../job.ts";
import { completionsFace, openAiEmbeddingsFace, openAiError, responsesFace, transcriptionsFace } from "./openai.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const asked = { id: "0123", model: "nope" };
const unknown: Refusal = { kind: "unknown_model" };
const busy: Refusal = { kind: "queue_full", waiting: 1, retryAfterSeconds: 1 };
const faces = [completionsFace, openAiEmbeddingsFace, responsesFace, transcriptionsFace];

// The lengths are those of Ollama's own answers.
test.each<[refusal: Refusal, status: number, text: string, length: number]>([
  [
    unknown,
    404,
    `{"error":{"message":"model 'nope' not found","type":"not_found_error","param":null,"code":null}}\n`,
    97,
  ],
  [
    busy,
    503,
    '{"error":{"message":"server busy, please try again.  maximum pending requests exceeded",' +
      '"type":"api_error","param":null,"code":null}}\n',
    134,
  ],
])("%j is refused byte for byte as Ollama does", (refusal, status, text, length) => {
  const answer = { status, contentType: "application/json", text };
  for (const face of [completionsFace, responsesFace, transcriptionsFace]) {
    expect(face.refuse(asked, refusal)).toEqual(answer);
  }
  expect(Buffer.byteLength(text)).toBe(length);
});

test("embeddings name an unknown model as /api/embed does, which they wrap", () => {
  expect(openAiEmbeddingsFace.refuse(asked, unknown)).toEqual(
    openAiError(404, 'model "nope" not found, try pulling it first'),
  );
});

test.each([
  [400, "invalid_request_error"],
  [403, "api_error"],
  [404, "not_found_error"],
  [413, "api_error"],
  [503, "api_error"],
  [504, "api_error"],
])("an error with status %p is of type %p", (status, type) => {
  expect(JSON.parse(openAiError(status, "x").text)).toEqual({ error: { message: "x", type, param: null, code: null } });
});

const json = "application/json";
const plain = "text/plain";

test.each<[route: string, face: Face, json: unknown, contentType: string, is: boolean]>([
  ["completions", completionsFace, { object: "chat.completion", choices: [{}] }, json, true],
  ["completions", completionsFace, { choices: null }, json, false],
  ["completions", completionsFace, { error: { message: "x" } }, json, false],
  ["completions", completionsFace, undefined, plain, false],
  ["embeddings", openAiEmbeddingsFace, { object: "list", data: [{}], usage: { prompt_tokens: 3 } }, json, true],
  ["embeddings", openAiEmbeddingsFace, { object: "list", data: null, usage: { prompt_tokens: 0 } }, json, true],
  ["embeddings", openAiEmbeddingsFace, { object: "list", data: null }, json, false],
  ["embeddings", openAiEmbeddingsFace, { embeddings: [] }, json, false],
  ["responses", responsesFace, { object: "response", output: [] }, json, true],
  ["responses", responsesFace, { object: "response" }, json, false],
  ["transcriptions", transcriptionsFace, { text: "" }, json, true],
  ["transcriptions", transcriptionsFace, { text: 4 }, json, false],
  ["transcriptions", transcriptionsFace, undefined, json, false],
  ["transcriptions", transcriptionsFace, undefined, "text/html", false],
  ["transcriptions, bare,", transcriptionsFace, undefined, plain, true],
  ["transcriptions, bare,", transcriptionsFace, undefined, "text/plain; charset=utf-8", true],
  ["transcriptions of a number, bare,", transcriptionsFace, 42, plain, true],
])("%s know their answers: %#", (_, face, body, contentType, is) => {
  expect(face.isAnswer(body, contentType)).toBe(is);
});

const done = (promptTokens: number | null, completionTokens: number | null): StreamEnd => ({
  kind: "done",
  promptTokens,
  completionTokens,
  slotWaitMs: null,
});

test.each<[face: Face, json: unknown, end: StreamEnd]>([
  [completionsFace, { choices: [], usage: { prompt_tokens: 26, completion_tokens: 4 } }, done(26, 4)],
  [completionsFace, { choices: [] }, done(null, null)],
  [completionsFace, { choices: [], usage: null }, done(null, null)],
  [completionsFace, { choices: [], usage: { prompt_tokens: "26" } }, done(null, null)],
  [completionsFace, { error: { message: "out of memory" } }, { kind: "error", message: "out of memory" }],
  [completionsFace, { error: "out of memory" }, { kind: "error", message: "out of memory" }],
  [completionsFace, { error: {} }, { kind: "error", message: "an error without a message" }],
  [openAiEmbeddingsFace, { data: [], usage: { prompt_tokens: 3, total_tokens: 3 } }, done(3, null)],
  [transcriptionsFace, { text: "Hello" }, done(null, null)],
  [
    responsesFace,
    { status: "completed", error: null, output: [], usage: { input_tokens: 9, output_tokens: 2 } },
    done(9, 2),
  ],
  [responsesFace, { status: "incomplete", output: [] }, done(null, null)],
  [responsesFace, { status: "failed", error: { code: "x", message: "why" } }, { kind: "error", message: "why" }],
  [responsesFace, { status: "in_progress", output: [] }, { kind: "unfinished" }],
])("a whole answer is read: %#", (face, body, end) => {
  expect(face.framing.readWhole(body)).toEqual(end);
});

test("the error frame of completions is the error object alone, without [DONE]", () => {
  expect(text(completionsFace.errorFrame("node b was lost"))).toBe(
    'data: {"error":{"message":"node b was lost","type":"api_error","param":null,"code":null}}\n\n',
  );
});

test("the error frame of responses is the specified event, and the error object that libraries raise on", () => {
  expect(text(responsesFace.errorFrame("node b was lost"))).toBe(
    'event: error\ndata: {"type":"error","sequence_number":0,"code":null,"message":"node b was lost","param":null,' +
      '"error":{"type":"api_error","code":null,"message":"node b was lost","param":null}}\n\n',
  );
});

test("an error frame reads back as the error, in whatever lines and characters its message is", () => {
  const message = 'broke "here"\r\n\r\nand there\u2028<';
  for (const face of faces) {
    const frame = face.errorFrame(message);
    expect(face.framing.endOfLastFrame(frame)).toBe(frame.byteLength);
    expect(face.framing.isFirst(frame)).toBe(true);
    expect(face.framing.readLast(frame)).toEqual({ kind: "error", message });
  }
});
