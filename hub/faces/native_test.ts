import { expect, test } from "bun:test";
import type { Face, HubAnswer, Refusal, StreamEnd } from "../job.ts";
import { embeddingsFace, embedFace, generationFace, showFace } from "./native.ts";

const asked = { id: "0123", model: "nope" };
const unknown: Refusal = { kind: "unknown_model" };
const busy: Refusal = { kind: "queue_full", waiting: 1, retryAfterSeconds: 1 };

// The lengths are those of Ollama's own answers.
test.each<[route: string, face: Face, refusal: Refusal, status: number, text: string, length: number]>([
  ["generate", generationFace, unknown, 404, `{"error":"model 'nope' not found"}`, 34],
  ["embed", embedFace, unknown, 404, '{"error":"model \\"nope\\" not found, try pulling it first"}', 58],
  ["embeddings", embeddingsFace, unknown, 404, '{"error":"model \\"nope\\" not found, try pulling it first"}', 58],
  ["show", showFace, unknown, 404, `{"error":"model 'nope:latest' not found"}`, 41],
  [
    "generate",
    generationFace,
    busy,
    503,
    '{"error":"server busy, please try again.  maximum pending requests exceeded"}',
    77,
  ],
])("/api/%s refuses byte for byte as Ollama does", (_, face, refusal, status, text, length) => {
  const answer: HubAnswer = { status, contentType: "application/json; charset=utf-8", text };
  expect(face.refuse(asked, refusal)).toEqual(answer);
  expect(Buffer.byteLength(text)).toBe(length);
});

test("a message is escaped as Go does it", () => {
  const refusal: Refusal = { kind: "not_passed", status: 400, message: "<b> & so on" };
  expect(generationFace.refuse(asked, refusal).text).toBe('{"error":"\\u003cb\\u003e \\u0026 so on"}');
});

const details = { family: "llama" };

test.each<[route: string, face: Face, json: unknown, is: boolean]>([
  ["generate", generationFace, { response: "Hello", done: true }, true],
  ["generate", generationFace, { response: "la la la", done: false }, true],
  ["generate", generationFace, { error: "unexpected EOF" }, true],
  ["generate", generationFace, { status: "ok" }, false],
  ["generate", generationFace, [{ done: true }], false],
  ["generate", generationFace, undefined, false],
  ["embed", embedFace, { model: "all-minilm", embeddings: [[0.1]] }, true],
  ["embed", embedFace, { model: "all-minilm", embeddings: [] }, true],
  ["embed", embedFace, { embedding: [0.1] }, false],
  ["embed", embedFace, null, false],
  ["embeddings", embeddingsFace, { embedding: [] }, true],
  ["embeddings", embeddingsFace, { embeddings: [[0.1]] }, false],
  ["show", showFace, { modelfile: "FROM x", details, model_info: {} }, true],
  ["show", showFace, { details }, true],
  ["show", showFace, { model_info: {} }, true],
  ["show", showFace, { details: "login, please" }, false],
  ["show", showFace, {}, false],
  ["show", showFace, "Ollama is running", false],
])("/api/%s knows its answers: %#", (_, face, json, is) => {
  expect(face.isAnswer(json, "application/json; charset=utf-8")).toBe(is);
});

test.each<[route: string, face: Face, json: unknown, end: StreamEnd]>([
  [
    "generate",
    generationFace,
    { done: true, prompt_eval_count: 26, eval_count: 4 },
    { kind: "done", promptTokens: 26, completionTokens: 4, slotWaitMs: null },
  ],
  ["generate", generationFace, { done: false }, { kind: "unfinished" }],
  ["generate", generationFace, { error: "out of memory" }, { kind: "error", message: "out of memory" }],
  [
    "embed",
    embedFace,
    { embeddings: [[1]], prompt_eval_count: 6 },
    { kind: "done", promptTokens: 6, completionTokens: null, slotWaitMs: null },
  ],
  [
    "embed",
    embedFace,
    { embeddings: [] },
    { kind: "done", promptTokens: null, completionTokens: null, slotWaitMs: null },
  ],
  [
    "embeddings",
    embeddingsFace,
    { embedding: [1] },
    { kind: "done", promptTokens: null, completionTokens: null, slotWaitMs: null },
  ],
  ["show", showFace, { details }, { kind: "done", promptTokens: null, completionTokens: null, slotWaitMs: null }],
])("/api/%s reads how a whole answer ended: %#", (_, face, json, end) => {
  expect(face.framing.readWhole(json)).toEqual(end);
});

test("the error frame is one line with nothing but the error", () => {
  expect(new TextDecoder().decode(generationFace.errorFrame("node b was lost"))).toBe('{"error":"node b was lost"}\n');
});
