/** What a node's response is worth, on the routes of every family, without sockets. */
import { expect, test } from "bun:test";
import { ANY_MODEL } from "../shared/model_name.ts";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { messagesFace } from "./faces/anthropic.ts";
import { embedFace, generationFace, showFace } from "./faces/native.ts";
import { completionsFace, responsesFace, transcriptionsFace } from "./faces/openai.ts";
import type { Face, Job } from "./job.ts";
import { AttemptError, type Line } from "./line.ts";
import { readAnswerOf } from "./read_answer.ts";
import { createRequestLog } from "./request_log.ts";
import { jobFor } from "./testing/job.ts";

const route = { family: "IPv4", address: "192.0.2.1", origin: "http://192.0.2.1", reachable: true, rttMs: 1 } as const;
const log = createRequestLog({ clock: fakeClock(), keepPrompts: true, onFinish: () => {} });

/** A line that reads a response as it is. */
const line: Line = {
  signal: new AbortController().signal,
  close() {},
  read(response) {
    const reader = response.body?.getReader();
    return { read: async () => (await reader?.read())?.value ?? null, close() {} };
  },
};

async function read(face: Face, body: string, init: ResponseInit = {}, changes: Partial<Job> = {}): Promise<string> {
  try {
    const outcome = await readAnswerOf(
      jobFor(log, { face, ...changes }),
      { nodeId: "a", route },
      new Response(body, init),
      line,
    );
    if (outcome.kind === "failed") return `${outcome.failure}: ${outcome.message}`;
    if (outcome.kind === "answer") return outcome.answer.rest === null ? "whole" : "stream";
    return outcome.kind;
  } catch (error) {
    if (error instanceof AttemptError) return error.failure;
    throw error;
  }
}

const whole = { stream: false };

test.each<[what: string, face: Face, body: string, changes: Partial<Job>, outcome: string]>([
  ["a load answered by one object", generationFace, '{"done":true,"done_reason":"load"}', {}, "whole"],
  ["a whole chat answer", generationFace, '{"message":{},"done":true}', whole, "whole"],
  ["a chat answer that gave up", generationFace, '{"message":{},"done":false}', whole, "whole"],
  ["one line where a stream was asked for", generationFace, '{"message":{},"done":false}', {}, "truncated"],
  ["vectors", embedFace, '{"embeddings":[]}', whole, "whole"],
  ["something about a model", showFace, '{"details":{}}', whole, "whole"],
  ["a completion", completionsFace, '{"choices":[]}', whole, "whole"],
  ["a stream of completions", completionsFace, 'data: {"choices":[]}\n\n', {}, "stream"],
  ["a stream that begins with a comment", completionsFace, ": wait\n\n", {}, "stream"],
  ["a stream of lines where events were asked for", completionsFace, '{"done":true}\n\n', {}, "protocol_error"],
  ["events where lines were asked for", generationFace, "data: {}\n\n", {}, "protocol_error"],
  ["a web page", completionsFace, "<html>\n\n", {}, "protocol_error"],
  ["a whole web page", messagesFace, "<html>", whole, "protocol_error"],
  ["a web page for a transcription", transcriptionsFace, "<html>", whole, "protocol_error"],
  ["a response", responsesFace, '{"output":[],"status":"completed"}', whole, "whole"],
  ["half a response", responsesFace, '{"output":[', whole, "truncated"],
  ["nothing", messagesFace, "", whole, "truncated"],
  ["nothing of a stream", completionsFace, "", {}, "truncated"],
  ["half an event", completionsFace, 'data: {"choices":[]}\n', {}, "truncated"],
])("%s is judged as it should be", async (_, face, body, changes, outcome) => {
  expect(await read(face, body, {}, changes)).toBe(outcome);
});

test("a transcription may be any text that is called one", async () => {
  const init = { headers: { "content-type": "text/plain; charset=utf-8" } };
  for (const text of ["hello", "", "{", "null"])
    expect(await read(transcriptionsFace, text, init, whole)).toBe("whole");
});

const errors: [face: Face, body: string][] = [
  [generationFace, '{"error":"out of memory"}'],
  [completionsFace, '{"error":{"message":"out of memory","type":"api_error","param":null,"code":null}}\n'],
  [messagesFace, '{"type":"error","error":{"type":"api_error","message":"out of memory"},"request_id":"req_1"}\n'],
];

test.each(errors)("an error is read in any family's shape: %#", async (face, body) => {
  expect(await read(face, body, { status: 500 })).toBe("out_of_memory: out of memory");
});

test.each([400, 401, 403, 404, 429, 500, 502, 503])(
  "status %d in words that are neither Ollama's nor its agent's: they are not shown, and not handed on",
  async (status) => {
    for (const body of ["secret of an admin page", '{"secret":1}', ""]) {
      const outcome = await readAnswerOf(jobFor(log), { nodeId: "a", route }, new Response(body, { status }), line);
      expect(outcome).toMatchObject({ kind: "failed", message: `the node answered ${status}`, answer: undefined });
    }
  },
);

test("the words of Ollama's router and of an agent are shown", async () => {
  expect(await read(generationFace, "404 page not found", { status: 404 })).toBe("route_missing: 404 page not found");
  expect(await read(generationFace, '{"detail":"Ollama is away"}', { status: 500 })).toBe(
    "server_error: Ollama is away",
  );
});

test.each([199, 600, 999])("status %d is none: what answers there is no Ollama", async (status) => {
  const response = new Response('{"error":"no"}');
  Object.defineProperty(response, "status", { value: status });
  const read = readAnswerOf(jobFor(log), { nodeId: "a", route }, response, line);
  expect(await read.catch((error: AttemptError) => error.failure)).toBe("protocol_error");
});

test("an error that hides in the first event of a stream is failed over, and one about the request passed on", async () => {
  const event = (message: string) => `data: ${JSON.stringify({ error: { message } })}\n\n`;
  expect(await read(completionsFace, event("CUDA error: x"))).toBe("server_error: CUDA error: x");
  expect(await read(completionsFace, event("the prompt is too long"))).toBe("stream");
});

test("a request that names no model hears from Ollama that there is none", async () => {
  const body = `{"error":"model '' not found"}`;
  expect(await read(generationFace, body, { status: 404 }, { key: ANY_MODEL, model: "" })).toBe("rejected");
  expect(await read(generationFace, body, { status: 404 })).toStartWith("model_missing");
});

test.each<[header: string | undefined, restMs: number | undefined]>([
  [undefined, undefined],
  ["7", 7_000],
  ["0", 1_000],
  ["-5", 1_000],
  ["3600", 60_000],
  ["Wed, 21 Oct 2026 07:28:00 GMT", undefined],
])("a busy node that says Retry-After %p is left alone for %p ms", async (header, restMs) => {
  const headers = header === undefined ? {} : { "retry-after": header };
  const response = new Response("{}", { status: 503, headers: new Headers(headers) });
  const outcome = await readAnswerOf(jobFor(log), { nodeId: "a", route }, response, line);
  expect(outcome).toMatchObject({ kind: "failed", failure: "busy" });
  expect(outcome.kind === "failed" && outcome.restMs).toBe(restMs);
});

test.each<[what: string, hasToken: boolean, frames: string]>([
  ["a word, and more to come", true, '{"response":"why","done":false}\n'],
  ["a word and its end", true, '{"response":"why","done":false}\n{"done":true,"eval_count":1}\n'],
  ["the end of an empty prompt, which only loads", false, '{"response":"","done":true,"done_reason":"load"}\n'],
  ["the end of an answer of nothing", false, '{"response":"","done":true,"eval_count":0}\n'],
])("a stream that begins with %s has a first token: %p", async (_, hasToken, frames) => {
  const job = jobFor(log, { face: generationFace, stream: true });
  const outcome = await readAnswerOf(job, { nodeId: "a", route }, new Response(frames), line);
  expect(outcome.kind === "answer" && (outcome.answer.hasToken ?? false)).toBe(hasToken);
});
