// Tests of the native routes: the bytes of the reference's wire examples.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { expectedText, type FakeOllama, startFakeOllama } from "./fake_ollama.ts";
import { exchangeBytes, postBytes } from "./fake_ollama_wire.ts";

let ollama: FakeOllama;
beforeAll(async () => {
  ollama = await startFakeOllama({
    models: [
      "llama3.2",
      { name: "all-minilm", embedding: true },
      { name: "qwen3", capabilities: ["completion", "tools", "thinking"] },
      { name: "plain", capabilities: ["completion"] },
    ],
  });
});
afterAll(() => ollama.stop());

const post = (path: string, body: unknown) => exchangeBytes(ollama.port, postBytes(path, body));
const get = (path: string, method = "GET", headers = "") =>
  exchangeBytes(ollama.port, `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);

/** A head or body with everything that differs from run to run replaced. */
function timeless(text: string): string {
  return text
    .replace(/Date: .* GMT/, "Date: D")
    .replace(/"created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z"/g, '"created_at":"T"')
    .replace(/"([a-z_]+_duration)":\d+/g, '"$1":1');
}

describe("answers", () => {
  test("generate streams one chunk a token and ends with context and durations", async () => {
    const answer = await post("/api/generate", { model: "llama3.2", prompt: "hi", options: { num_predict: 2 } });
    expect(timeless(answer.head)).toBe(
      "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nDate: D\r\nTransfer-Encoding: chunked",
    );
    const [first, second, last] = answer.chunks.map(timeless);
    expect(first).toBe('{"model":"llama3.2","created_at":"T","response":"t0.82e1dc58","done":false}\n');
    expect(second).toBe('{"model":"llama3.2","created_at":"T","response":" t1.82e1dc58","done":false}\n');
    expect(last).toBe(
      '{"model":"llama3.2","created_at":"T","response":"","done":true,"done_reason":"length","context":[75016,82935,90854],"total_duration":1,"load_duration":1,"prompt_eval_count":1,"prompt_eval_duration":1,"eval_count":2,"eval_duration":1}\n',
    );
    expect(answer.chunks).toHaveLength(3);
    expect(answer.raw.endsWith("\r\n0\r\n\r\n")).toBe(true);
  });

  test("chat without streaming is one object with a charset and a length, and no LF", async () => {
    const messages = [{ role: "user", content: "hi" }];
    const answer = await post("/api/chat", { model: "llama3.2", messages, stream: false, options: { seed: 3 } });
    expect(timeless(answer.head).replace(/\d+$/, "N")).toBe(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nDate: D\r\nContent-Length: N",
    );
    expect(timeless(answer.body)).toBe(
      `{"model":"llama3.2","created_at":"T","message":{"role":"assistant","content":"${expectedText("hi", 3, 8)}"},"done":true,"done_reason":"stop","total_duration":1,"load_duration":1,"prompt_eval_count":1,"prompt_eval_duration":1,"eval_count":9,"eval_duration":1}`,
    );
  });

  test("chat calls the tool it is told to use, after thinking", async () => {
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const answer = await post("/api/chat", {
      model: "qwen3",
      messages: [{ role: "User", content: "use tool get_weather" }],
      tools: [{ type: "function", function: { name: "get_weather", description: "", parameters } }],
    });
    const lines = answer.chunks.map(timeless);
    expect(lines[0]).toMatch(/"message":\{"role":"assistant","content":"","thinking":"t0\.\w{8}"\},"done":false\}\n$/);
    expect(lines[2]).toMatch(
      /^\{"model":"qwen3","created_at":"T","message":\{"role":"assistant","content":"","tool_calls":\[\{"id":"call_[0-9a-z]{8}","function":\{"index":0,"name":"get_weather","arguments":\{"city":"Oslo"\}\}\}\]\},"done":false\}\n$/,
    );
    expect(lines[3]).toContain('"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"');
  });

  test("thinking is on for a thinking model unless think is false", async () => {
    const chat = async (think: unknown) =>
      JSON.parse((await post("/api/generate", { model: "qwen3", prompt: "x", think, stream: false })).body);
    expect((await chat(undefined)).thinking).toContain("t0.");
    expect((await chat(false)).thinking).toBeUndefined();
  });

  test("a format is answered with JSON of that schema", async () => {
    const format = { type: "object", properties: { age: { type: "integer" }, name: { type: "string" } } };
    const answer = await post("/api/generate", { model: "llama3.2", prompt: "x", format, stream: false });
    const said = JSON.parse(JSON.parse(answer.body).response);
    expect(said).toEqual({ age: 1, name: expect.stringContaining("t0.") });
  });

  test("an empty prompt loads and keep_alive 0 unloads, each with one object however stream is set", async () => {
    const load = await post("/api/generate", { model: "llama3.2", stream: true });
    expect(timeless(load.body)).toBe(
      '{"model":"llama3.2","created_at":"T","response":"","done":true,"done_reason":"load"}',
    );
    const unload = await post("/api/chat", { model: "llama3.2", messages: [], keep_alive: 0 });
    expect(timeless(unload.body)).toBe(
      '{"model":"llama3.2","created_at":"T","message":{"role":"assistant","content":""},"done":true,"done_reason":"unload"}',
    );
    await Bun.sleep(10);
    expect((await get("/api/ps")).body).not.toContain("llama3.2");
    ollama.setLoaded(["llama3.2"]);
    expect((await get("/api/ps")).body).toContain('"name":"llama3.2:latest"');
  });

  test("embed gives one vector of length 1 for each input, the same for the same text", async () => {
    const answer = await post("/api/embed", { model: "all-minilm", input: ["a", "b", "a"] });
    expect(timeless(answer.body)).toMatch(
      /^\{"model":"all-minilm","embeddings":\[\[.*\]\],"total_duration":1,"load_duration":1,"prompt_eval_count":3\}$/,
    );
    const [a, b, again] = JSON.parse(answer.body).embeddings as number[][];
    expect(again).toEqual(a ?? []);
    expect(b).not.toEqual(a);
    expect(Math.hypot(...(a ?? []))).toBeCloseTo(1, 5);
    expect((await post("/api/embed", { model: "all-minilm" })).body).toBe('{"model":"all-minilm","embeddings":[]}');
    expect((await post("/api/embeddings", { model: "all-minilm", prompt: "a" })).body).toMatch(
      /^\{"embedding":\[.*\]\}$/,
    );
  });

  test("the health line, the version and the model list have Ollama's bytes", async () => {
    expect((await get("/")).body).toBe("Ollama is running");
    const head = await get("/", "HEAD");
    expect(timeless(head.head)).toBe(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: D\r\nContent-Length: 17",
    );
    expect(head.raw).toBe("");
    expect((await get("/api/version")).body).toBe('{"version":"0.33.0"}');
    const [entry] = JSON.parse((await get("/api/tags")).body).models;
    expect(Object.keys(entry)).toEqual(["name", "model", "modified_at", "size", "digest", "details", "capabilities"]);
    expect(entry.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  test("an answer above 2048 bytes is chunked even when it is not streamed", async () => {
    const answer = await post("/api/show", { model: "llama3.2" });
    expect(answer.head).toContain("Transfer-Encoding: chunked");
    expect(answer.chunks).toHaveLength(1);
    expect(answer.body).toContain("\\u003c|eot_id|\\u003e");
  });
});

describe("refusals", () => {
  const messages = [{ role: "user", content: "x" }];
  const tools = [{ type: "function", function: { name: "f", parameters: {} } }];
  const cases: [string, string, unknown, number, string][] = [
    ["generate without a model", "/api/generate", {}, 404, "model '' not found"],
    ["generate with a malformed name", "/api/generate", { model: "a//b" }, 400, "invalid model name"],
    [
      "a name both local and cloud",
      "/api/generate",
      { model: "a:cloud:local" },
      400,
      'use either :local or :cloud, not both: "a:cloud:local"',
    ],
    ["generate with an unknown model", "/api/generate", { model: "nope" }, 404, "model 'nope' not found"],
    ["a cloud model", "/api/chat", { model: "x:cloud" }, 403, "ollama cloud is disabled: remote model is unavailable"],
    [
      "thinking asked of a model without it",
      "/api/chat",
      { model: "plain", think: true, messages },
      400,
      '"plain" does not support thinking',
    ],
    [
      "generate with an embedding model",
      "/api/generate",
      { model: "all-minilm" },
      400,
      '"all-minilm" does not support generate',
    ],
    [
      "a suffix on a model without insert",
      "/api/generate",
      { model: "plain", prompt: "x", suffix: "y" },
      400,
      "registry.ollama.ai/library/plain:latest does not support insert",
    ],
    ["chat without a model", "/api/chat", {}, 400, "model is required"],
    ["chat with an embedding model", "/api/chat", { model: "all-minilm" }, 400, '"all-minilm" does not support chat'],
    [
      "tools on a model without them",
      "/api/chat",
      { model: "plain", tools, messages },
      400,
      "registry.ollama.ai/library/plain:latest does not support tools",
    ],
    ["embed without a model", "/api/embed", { input: "x" }, 404, "model '' not found"],
    [
      "embed with an unknown model",
      "/api/embed",
      { model: "nope" },
      404,
      'model "nope" not found, try pulling it first',
    ],
    ["embed with numbers", "/api/embed", { model: "all-minilm", input: [1] }, 400, "invalid input type"],
    ["embeddings without a model", "/api/embeddings", {}, 400, "model is required"],
    [
      "embeddings in another case than on disk",
      "/api/embeddings",
      { model: "ALL-minilm" },
      404,
      'model "ALL-minilm" not found, try pulling it first',
    ],
    ["show with an unknown model", "/api/show", { name: "nope" }, 404, "model 'nope:latest' not found"],
    ["an empty body", "/api/chat", "", 400, "missing request body"],
    ["no JSON", "/api/chat", "hello", 400, "invalid character 'h' looking for beginning of value"],
    ["cut JSON", "/api/chat", '{"model":"a', 400, "unexpected EOF"],
    [
      "a number for a model",
      "/api/generate",
      '{"model":1}',
      400,
      "json: cannot unmarshal number into Go struct field GenerateRequest.model of type string",
    ],
    [
      "keep_alive without a unit",
      "/api/generate",
      { model: "plain", keep_alive: "5" },
      400,
      'time: missing unit in duration "5"',
    ],
    ["an empty keep_alive", "/api/generate", { model: "plain", keep_alive: "" }, 400, 'time: invalid duration ""'],
    [
      "an option of the wrong type",
      "/api/generate",
      { model: "plain", prompt: "x", options: { num_ctx: "big" } },
      500,
      'option "num_ctx" must be of type integer',
    ],
    [
      "too many logprobs",
      "/api/generate",
      { model: "plain", prompt: "x", top_logprobs: 21 },
      400,
      "top_logprobs must be between 0 and 20",
    ],
  ];
  for (const [name, path, body, status, error] of cases) {
    test(`${name} is refused with ${status}`, async () => {
      const answer = await post(path, body);
      expect(answer.head).toStartWith(`HTTP/1.1 ${status} `);
      expect(answer.head).toContain("\r\nContent-Type: application/json; charset=utf-8\r\n");
      expect(JSON.parse(answer.body)).toEqual({ error });
      expect(answer.body).not.toEndWith("\n");
    });
  }

  test("fields match in any case, later values and unknown fields are ignored", async () => {
    const body = '{"MODEL":"LLAMA3.2","Prompt":"hi","x":1,"stream":false,"options":{"num_predict":1}} trailing';
    const answer = await post("/api/generate", body);
    expect(JSON.parse(answer.body)).toMatchObject({ model: "LLAMA3.2", response: "t0.82e1dc58" });
  });

  test("unknown paths, wrong methods and trailing slashes are answered as gin does", async () => {
    const unknown = await get("/nope");
    expect(timeless(unknown.head)).toBe(
      "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nDate: D\r\nContent-Length: 18",
    );
    expect(unknown.body).toBe("404 page not found");
    const wrong = await get("/api/generate");
    expect(timeless(wrong.head)).toBe(
      "HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nContent-Type: text/plain\r\nDate: D\r\nContent-Length: 22",
    );
    expect((await get("/api/ps", "HEAD")).head).toStartWith("HTTP/1.1 405 ");
    expect((await get("/api/tags/")).head).toMatch(/^HTTP\/1.1 301 [\s\S]*Location: \/api\/tags\r\n/);
    expect((await post("/api/chat/?a=1", {})).head).toMatch(/^HTTP\/1.1 307 [\s\S]*Location: \/api\/chat\?a=1\r\n/);
  });

  test("a foreign Origin or Host gets an empty 403, a local Origin its CORS headers", async () => {
    const foreign = await get("/", "GET", "Origin: https://example.com\r\n");
    expect(foreign.head).toMatch(/^HTTP\/1.1 403 Forbidden\r\nDate: .*\r\nContent-Length: 0$/);
    const local = await get("/", "GET", "Origin: http://localhost:3000\r\n");
    expect(timeless(local.head)).toBe(
      "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: http://localhost:3000\r\nContent-Type: text/plain; charset=utf-8\r\nVary: Origin\r\nDate: D\r\nContent-Length: 17",
    );
    const named = await exchangeBytes(ollama.port, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
    expect(named.head).toStartWith("HTTP/1.1 403 ");
  });
});
