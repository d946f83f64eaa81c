// Tests of the managing routes: pull, push, create, copy, delete, blobs.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type FakeOllama, startFakeOllama } from "./fake_ollama.ts";
import { exchangeBytes, postBytes } from "./fake_ollama_wire.ts";

let ollama: FakeOllama;
beforeEach(async () => {
  ollama = await startFakeOllama({ registry: ["qwen3:8b"] });
});
afterEach(() => ollama.stop());

const post = (path: string, body: unknown) => exchangeBytes(ollama.port, postBytes(path, body));
const call = (method: string, path: string, body?: string | Uint8Array) =>
  fetch(`${ollama.url}${path}`, { method, ...(body === undefined ? {} : { body }) });
const names = async () => {
  const tags = (await (await call("GET", "/api/tags")).json()) as { models: { name: string }[] };
  return tags.models.map((model) => model.name);
};
const statuses = (body: string) =>
  body
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).status);

test("a pull reports its layers, adds the model and ends with success", async () => {
  const answer = await post("/api/pull", { model: "qwen3:8b" });
  expect(answer.head).toContain("Content-Type: application/x-ndjson");
  const lines = answer.body.trimEnd().split("\n");
  expect(lines[0]).toBe('{"status":"pulling manifest"}');
  expect(lines[1]).toMatch(/^\{"status":"pulling \w{12}","digest":"sha256:\w{64}","total":2019377376\}$/);
  expect(lines[2]).toMatch(/"total":2019377376,"completed":\d+\}$/);
  expect(lines.slice(-3)).toEqual([
    '{"status":"verifying sha256 digest"}',
    '{"status":"writing manifest"}',
    '{"status":"success"}',
  ]);
  expect(await names()).toEqual(["qwen3:8b", "llama3:latest"]);
});

test("a pull of an unknown model is 200 with an error line, or 500 without streaming", async () => {
  const line = '{"error":"pull model manifest: file does not exist"}';
  const streamed = await post("/api/pull", { name: "nope" });
  expect(streamed.body).toBe(`{"status":"pulling manifest"}\n${line}\n`);
  const whole = await post("/api/pull", { name: "nope", stream: false });
  expect(whole.head).toMatch(/^HTTP\/1.1 500 [\s\S]*\r\nContent-Type: application\/json\r\n[\s\S]*: 52$/);
  expect(whole.body).toBe(line);
  const success = await post("/api/pull", { name: "llama3", stream: false });
  expect(success.body).toBe('{"status":"success"}');
});

test("a pull stops when its client leaves", async () => {
  ollama.configure({ pullMs: 200 });
  const answer = exchangeBytes(ollama.port, postBytes("/api/pull", { model: "qwen3:8b" }), 20);
  expect((await answer).complete).toBe(false);
  await Bun.sleep(250);
  expect(await names()).toEqual(["llama3:latest"]);
});

test("create builds on a model, pulling it first when it is missing", async () => {
  const own = await post("/api/create", { model: "mine", from: "llama3" });
  expect(statuses(own.body)).toEqual([
    expect.stringMatching(/^using existing layer sha256:\w{64}$/),
    expect.stringMatching(/^creating new layer sha256:\w{64}$/),
    "writing manifest",
    "success",
  ]);
  const pulled = await post("/api/create", { model: "other", from: "qwen3:8b" });
  expect(statuses(pulled.body)[0]).toBe("pulling manifest");
  expect(statuses(pulled.body).filter((status) => status === "success")).toHaveLength(1);
  expect((await names()).toSorted()).toEqual(["llama3:latest", "mine:latest", "other:latest", "qwen3:8b"]);
  expect((await post("/api/create", { model: "x" })).body).toBe(`{"error":"neither 'from' or 'files' was specified"}`);
});

test("copy gives a second name with the same digest, and delete takes a name away", async () => {
  const copied = await post("/api/copy", { source: "llama3", destination: "twin" });
  expect(copied.head).toMatch(/^HTTP\/1.1 200 OK\r\nDate: .*\r\nContent-Length: 0$/);
  const tags = (await (await call("GET", "/api/tags")).json()) as { models: { digest: string }[] };
  expect(tags.models[0]?.digest).toBe(tags.models[1]?.digest ?? "");
  expect((await call("DELETE", "/api/delete", '{"model":"twin"}')).status).toBe(200);
  const gone = await call("DELETE", "/api/delete", '{"name":"twin"}');
  expect([gone.status, await gone.text()]).toEqual([404, `{"error":"model 'twin' not found"}`]);
  const missing = await post("/api/copy", { source: "nope", destination: "x" });
  expect(missing.body).toBe('{"error":"model \\"nope\\" not found"}');
});

test("a blob is stored once, when its digest is right", async () => {
  const bytes = new TextEncoder().encode("GGUF and so on");
  const digest = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  expect((await call("HEAD", `/api/blobs/sha256:${digest}`)).status).toBe(404);
  expect((await call("POST", `/api/blobs/sha256:${digest}`, bytes)).status).toBe(201);
  expect((await call("POST", `/api/blobs/sha256-${digest}`, bytes)).status).toBe(200);
  expect((await call("HEAD", `/api/blobs/sha256:${digest}`)).status).toBe(200);
  expect((await call("HEAD", "/api/blobs/nonsense")).status).toBe(400);
  const other = "0".repeat(64);
  const wrong = await call("POST", `/api/blobs/sha256:${other}`, bytes);
  expect(await wrong.json()).toEqual({
    error: `digest mismatch, expected "sha256:${other}", got "sha256:${digest}"`,
  });
});

test("push reports what it does, or that the model is not here", async () => {
  expect(statuses((await post("/api/push", { model: "llama3" })).body).at(-1)).toBe("success");
  expect((await post("/api/push", { model: "nope" })).body).toEndWith('{"error":"file does not exist"}\n');
  expect((await post("/api/me", "")).head).toStartWith("HTTP/1.1 401 ");
});
