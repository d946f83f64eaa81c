import { expect, test } from "bun:test";
import fc from "fast-check";
import { ANY_MODEL, modelKey } from "../../shared/model_name.ts";
import { HEADERS } from "../../shared/protocol.ts";
import { createBodyBudget } from "../body_budget.ts";
import { inferenceRoute, modelOf } from "./inference.ts";
import { SERVED } from "./ollama.ts";
import type { Draft } from "./serve.ts";

const optionsOf = (path: string) => {
  const options = SERVED.find((route) => route.path === path);
  if (!options) throw new Error(`no route ${path}`);
  return options;
};

async function draft(path: string, body: unknown, headers: Record<string, string> = {}, query = ""): Promise<Draft> {
  const bytes = new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
  const request = new Request(`http://hub:8000${path}${query}`, { method: "POST", headers });
  const read = await inferenceRoute(optionsOf(path)).read("id", bytes, request, createBodyBudget(100_000_000));
  if (typeof read === "string") throw new Error(read);
  if ("problem" in read) throw new Error(read.problem);
  return read;
}

test("the bytes go to the node as they came, the query does not", async () => {
  const body = '{ "model": "LLaMA3",\n "prompt":"\\u0041", "unknown": 1.0 }';
  const read = await draft("/api/generate", body, {}, "?ts=17&x=%2F");
  expect(new TextDecoder().decode(read.body)).toBe(body);
  expect(read).toMatchObject({ path: "/ollama/api/generate", model: "LLaMA3", key: modelKey("llama3") });
});

test.each<[path: string, stream: unknown, streamed: boolean]>([
  ["/api/generate", undefined, true],
  ["/api/generate", null, true],
  ["/api/generate", false, false],
  ["/api/generate", true, true],
  ["/api/chat", undefined, true],
  ["/api/chat", false, false],
  ["/api/embed", true, false],
  ["/api/embeddings", true, false],
  ["/api/show", true, false],
  ["/v1/chat/completions", undefined, false],
  ["/v1/chat/completions", null, false],
  ["/v1/chat/completions", true, true],
  ["/v1/completions", true, true],
  ["/v1/embeddings", true, false],
  ["/v1/responses", undefined, false],
  ["/v1/responses", true, true],
  ["/v1/messages", undefined, false],
  ["/v1/messages", true, true],
])("%s with stream %p streams: %p", async (path, stream, streamed) => {
  expect((await draft(path, { model: "llama3", prompt: "x", stream })).stream).toBe(streamed);
});

test("stream is found whatever the case of its name", async () => {
  expect((await draft("/api/chat", { model: "llama3", STREAM: false })).stream).toBe(false);
});

const ZEROES = [0, -0, "0", "0s", "0m", "0h0m0s", "-0s", "+0s", "0.0ms", "00s", "0µs", "0ns"];
const OTHERS = [
  undefined,
  null,
  1,
  -1,
  0.5,
  "",
  "5m",
  "1s",
  "0h1m",
  "-1",
  "0x",
  "s",
  "false",
  true,
  false,
  [],
  {},
  [0],
];

test.each(ZEROES.map((each) => [each]))("a request without a prompt and keep_alive %p unloads", async (keep_alive) => {
  for (const path of ["/api/generate", "/api/chat"]) {
    const read = await draft(path, { model: "llama3", keep_alive });
    expect(read).toMatchObject({ unloads: true, slot: false });
    expect(read.headers[HEADERS.noSlot]).toBe("1");
  }
});

test.each(OTHERS.map((each) => [each]))("a request without a prompt and keep_alive %p does not", async (keep_alive) => {
  for (const path of ["/api/generate", "/api/chat"]) {
    const read = await draft(path, { model: "llama3", keep_alive });
    expect(read).toMatchObject({ unloads: false, slot: true });
    expect(read.headers[HEADERS.noSlot]).toBeUndefined();
  }
});

test.each<[path: string, prompt: object, unloads: boolean]>([
  ["/api/generate", { prompt: "" }, true],
  ["/api/generate", { prompt: null }, true],
  ["/api/generate", { PROMPT: "hi" }, false],
  ["/api/generate", { prompt: "hi" }, false],
  ["/api/generate", { messages: ["not its field"] }, true],
  ["/api/chat", { messages: [] }, true],
  ["/api/chat", { messages: null }, true],
  ["/api/chat", { messages: [{ role: "user" }] }, false],
  ["/api/chat", { prompt: "not its field" }, true],
  ["/api/embed", { input: "" }, false],
  ["/v1/chat/completions", { messages: [] }, false],
  ["/api/show", {}, false],
])("%s with keep_alive 0 and %j unloads: %p", async (path, prompt, unloads) => {
  expect((await draft(path, { model: "llama3", keep_alive: 0, ...prompt })).unloads).toBe(unloads);
});

test("a duration of zeroes without an end is read in no time", async () => {
  const startedAt = performance.now();
  for (const text of [`${"0".repeat(100_000)}x`, `0.${"0".repeat(100_000)}x`, `${"0s".repeat(50_000)}x`]) {
    expect((await draft("/api/generate", { model: "llama3", keep_alive: text })).unloads).toBe(false);
  }
  expect(performance.now() - startedAt).toBeLessThan(500);
});

test.each<[what: string, body: unknown]>([
  ["no model", {}],
  ["an empty model", { model: "" }],
  ["a model that is no text", { model: 7 }],
  ["a model that is an object", { model: { toString: 1 } }],
  ["a model that is no name", { model: "a//b" }],
  ["half a surrogate pair for a model", { model: "\ud800" }],
  ["a model of a megabyte", { model: "a".repeat(1_000_000) }],
  ["no JSON", "nonsense"],
  ["no body", ""],
])("a request with %s may go to any node, which is not told a model", async (_, body) => {
  const read = await draft("/api/chat", body);
  expect(read.key).toBe(ANY_MODEL);
  expect(read.headers[HEADERS.model]).toBeUndefined();
});

test("only show takes a name for a model: elsewhere Ollama says that the model is missing", async () => {
  for (const { path } of SERVED.filter((route) => route.path !== "/v1/audio/transcriptions")) {
    expect((await draft(path, { name: "llama3" })).model).toBe(path === "/api/show" ? "llama3" : "");
  }
});

test("the header that tells a node the model is short, whatever blanks and schemes the client wrote", async () => {
  for (const model of [`${" ".repeat(50_000)}llama3`, `${"x".repeat(50_000)}://registry.ollama.ai/library/llama3`]) {
    const read = await draft("/api/chat", { model });
    expect(read).toMatchObject({ model, key: modelKey("llama3") });
    expect(read.headers[HEADERS.model]).toBe(encodeURIComponent("llama3:latest"));
  }
});

test.each<[fields: unknown, model: string]>([
  [{ model: "a", name: "b" }, "a"],
  [{ model: "", name: "b" }, "b"],
  [{ NAME: "b" }, "b"],
  [{ model: 7, name: "b" }, ""],
  [undefined, ""],
])("of %j the model is %p where both fields count", (fields, model) => {
  expect(modelOf(fields)).toBe(model);
});

test("whatever bytes come, every route makes a request of them", async () => {
  const bodies = fc.oneof(fc.string(), fc.json(), fc.record({ model: fc.jsonValue(), keep_alive: fc.jsonValue() }));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...SERVED), bodies, async ({ path }, body) => {
      const { key, headers } = await draft(path, body);
      expect(key).toBeString();
      expect(() => new Headers(headers)).not.toThrow();
    }),
  );
});
