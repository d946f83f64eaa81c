import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { OLLAMA_ROUTES } from "../shared/ollama_routes.ts";
import { HEADERS } from "../shared/protocol.ts";
import type { FakeOllama, FakeOllamaOptions } from "../shared/testing/fake_ollama.ts";
import { exchangeBytes } from "../shared/testing/fake_ollama_wire.ts";
import { everybody, type StartNodeOptions, startNode } from "../shared/testing/start_node.ts";
import { startNodeWithOllama } from "./testing/node_with_ollama.ts";
import { until } from "./testing/until.ts";

const toEnd: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

async function start(ollamaOptions: FakeOllamaOptions = {}, nodeOptions: StartNodeOptions = {}) {
  const both = await startNodeWithOllama(ollamaOptions, nodeOptions);
  toEnd.push(both.stop);
  return both;
}

const blob = "x".repeat(5000);
const digest = `sha256:${createHash("sha256").update(blob).digest("hex")}`;
const say = [{ role: "user", content: "why <ü>?" }];
const picture = { model: "llama3", messages: [{ ...say[0], images: ["aGk="] }] };

/** Method, path, body: sent to an Ollama directly, and to the same or another one of the same kind through a node. */
const TABLE: readonly [method: string, path: string, body?: unknown][] = [
  ["HEAD", "/"],
  ["GET", "/"],
  ["HEAD", "/api/version"],
  ["GET", "/api/version"],
  ["GET", "/api/status"],
  ["HEAD", "/api/tags"],
  ["GET", "/api/tags"],
  ["GET", "/api/ps"],
  ["POST", "/api/show", { model: "llama3", verbose: true }],
  ["POST", "/api/show", { model: "nix" }],
  ["POST", "/api/show"],
  ["POST", "/api/generate", { model: "llama3", prompt: "why", options: { seed: 7 } }],
  ["POST", "/api/generate", { model: "llama3", prompt: "why", stream: false }],
  ["POST", "/api/generate", { model: "llama3" }],
  ["POST", "/api/generate", { model: "nix", prompt: "why" }],
  ["POST", "/api/generate", "{ broken"],
  ["POST", "/api/generate", '{ "model" :\n"llama3","unknown":1e400, "prompt":"a" } trailing'],
  ["POST", "/api/generate?a=b%2F..&c", { model: "llama3", prompt: "why" }],
  ["POST", "/api/chat", { model: "llama3", messages: say }],
  ["POST", "/api/chat", picture],
  ["POST", "/api/chat", { model: "llama3", messages: say, stream: false }],
  ["POST", "/api/embed", { model: "llama3", input: ["a", "b"] }],
  ["POST", "/api/embeddings", { model: "llama3", prompt: "a" }],
  ["POST", "/api/pull", { model: "mistral" }],
  ["POST", "/api/pull", { model: "mistral:7b", stream: false }],
  ["POST", "/api/pull", { model: "///" }],
  ["POST", "/api/push", { model: "llama3" }],
  ["POST", "/api/create", { model: "mine", from: "llama3", system: "be kind" }],
  ["POST", "/api/copy", { source: "llama3", destination: "other" }],
  ["POST", "/api/copy", { source: "nix", destination: "other" }],
  ["DELETE", "/api/delete", { model: "llama3" }],
  ["DELETE", "/api/delete", { model: "nix" }],
  ["DELETE", "/api/delete"],
  ["HEAD", `/api/blobs/${digest}`],
  ["POST", `/api/blobs/${digest}`, blob],
  ["POST", `/api/blobs/${digest}`, `${blob}!`],
  ["POST", "/api/blobs/nix", blob],
  ["POST", "/api/me"],
  ["POST", "/api/signout"],
  ["GET", "/api/experimental/model-recommendations"],
  ["POST", "/v1/chat/completions", { model: "llama3", messages: say, stream: true }],
  ["POST", "/v1/chat/completions", { model: "llama3", messages: say }],
  ["POST", "/v1/chat/completions", { model: "llama3", messages: [] }],
  ["POST", "/v1/completions", { model: "llama3", prompt: "a", stream: true }],
  ["POST", "/v1/embeddings", { model: "llama3", input: "a" }],
  ["GET", "/v1/models"],
  ["GET", "/v1/models/llama3"],
  ["GET", "/v1/models/llama3%3Alatest"],
  ["GET", "/v1/models/nix"],
  ["POST", "/v1/responses", { model: "llama3", input: "a", stream: true }],
  ["POST", "/v1/messages", { model: "llama3", max_tokens: 5, messages: say, stream: true }],
  ["POST", "/v1/messages", { model: "llama3", messages: say }],
  ["POST", "/v1/audio/transcriptions", "no multipart"],
];

/** Rows of equal length, or Bun's test.each gives a callback for what is missing. */
const REQUESTS = TABLE.map(([method, path, body]) => [method, path, body ?? null] as const);

/** The bytes of a request as a client would send it, with a body of known length or in two chunks. */
function requestBytes(method: string, path: string, body: unknown, chunked: boolean): string {
  const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  if (body === null) return `${head}${method === "POST" ? "Content-Length: 0\r\n" : ""}\r\n`;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  if (!chunked) return `${head}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
  const chunk = (part: Buffer) => `${part.length.toString(16)}\r\n${part.toString("latin1")}\r\n`;
  const bytes = Buffer.from(text.replaceAll("ü", "u"));
  const half = Math.ceil(bytes.length / 2);
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunk(bytes.subarray(0, half))}${chunk(bytes.subarray(half))}0\r\n\r\n`;
}

/** What two runs of the same request have in common: everything but times and counted ids. */
async function answerTo(port: number, bytes: string) {
  const { head, body, complete } = await exchangeBytes(port, bytes);
  const header = (name: string) => new RegExp(`^${name}: (.*)$`, "im").exec(head)?.[1]?.trimEnd() ?? null;
  const isHead = bytes.startsWith("HEAD ");
  return {
    status: head.split(" ")[1],
    type: header("content-type"),
    cache: header("cache-control"),
    length: isHead ? header("content-length") : null,
    complete: isHead || complete,
    body: body
      .replace(/"(created_at|modified_at|expires_at)":"[^"]*"/g, '"$1":""')
      .replace(/"(\w*duration|created|\w+_at)":\d+/g, '"$1":0')
      .replace(/"((?:chatcmpl|cmpl|resp|msg|rs)[-_])[0-9a-f_]+"/g, '"$1"'),
  };
}

describe("Ollama's own routes", () => {
  test.each(REQUESTS)("%s %s %j is answered as by Ollama itself", async (method, path, body) => {
    const options = { models: ["llama3:latest", "b:1"] };
    const { node, ollama } = await start(options);
    // What changes nothing can be asked of the same Ollama, where also the lengths are the same.
    const direct = method === "POST" || method === "DELETE" ? (await start(options)).ollama : ollama;
    const expected = await answerTo(direct.port, requestBytes(method, path, body, false));
    expect(expected.complete).toBe(true);
    expect(await answerTo(node.port, requestBytes(method, `/ollama${path}`, body, false))).toEqual(expected);
  });

  test.each(REQUESTS.filter(([, , body]) => body !== null))("%s %s %j in chunks, too", async (method, path, body) => {
    const direct = await start();
    const { node } = await start();
    const expected = await answerTo(direct.ollama.port, requestBytes(method, path, body, true));
    expect(await answerTo(node.port, requestBytes(method, `/ollama${path}`, body, true))).toEqual(expected);
  });

  test("the table above leaves out no route but those the stand-in does not have", () => {
    const tested = (route: string) =>
      REQUESTS.some(([, path]) => (path.split("?")[0] ?? "").replace(/(blobs|models)\/.*/, "$1/") === route);
    const missing = OLLAMA_ROUTES.map(({ path }) => path.replace(/:.*/, "")).filter((route) => !tested(route));
    expect(missing).toEqual(["/api/user/keys/", "/api/experimental/web_search", "/api/experimental/web_fetch"]);
  });

  test.each(["/api/generate", "/v1/chat/completions", "/api/show", "/api/create", "/api/experimental/web_fetch"])(
    "any bytes pass unchanged both ways, with their type and status (%s)",
    async (path) => {
      const sent = crypto.getRandomValues(new Uint8Array(65_536));
      const echo = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: async (request) =>
          new Response(await request.bytes(), {
            status: 418,
            headers: { "content-type": request.headers.get("content-type") ?? "", "cache-control": "no-store" },
          }),
      });
      const node = await startNode({ ollamaUrl: `http://127.0.0.1:${echo.port}`, gate: everybody });
      toEnd.push(node.stop, () => echo.stop(true));
      const headers = { "content-type": 'multipart/form-data; boundary="a b"' };
      const answer = await fetch(`${node.url}/ollama${path}`, { method: "POST", body: sent, headers });
      expect(answer.status).toBe(418);
      expect(answer.headers.get("content-type")).toBe(headers["content-type"]);
      expect(answer.headers.get("cache-control")).toBe("no-store");
      expect(Buffer.compare(await answer.bytes(), sent)).toBe(0);
    },
  );

  test("every answer says which node gave it and to which request", async () => {
    const { node } = await start();
    for (const path of ["/api/tags", "/api/generate", "/nix"]) {
      const method = path === "/api/generate" ? "POST" : "GET";
      const answer = await fetch(`${node.url}/ollama${path}`, { method, headers: { [HEADERS.requestId]: "r-1" } });
      await answer.text();
      expect(answer.headers.get(HEADERS.nodeId)).toBe(node.nodeId);
      expect(answer.headers.get(HEADERS.requestId)).toBe("r-1");
    }
  });
});

/** Paths the node itself asks for. */
const OWN = ["/api/version", "/api/tags", "/api/ps"];
const passedOn = (ollama: FakeOllama) => ollama.seen.filter(({ path }) => !OWN.includes(path));

describe("what Ollama gets to see", () => {
  test.each(["/api/generate", "/api/show", "/api/copy", "/api/me"])("of the headers, at %s", async (path) => {
    const { node, ollama } = await start();
    const headers = {
      "Content-Type": "application/json",
      "Content-Encoding": "zstd",
      Accept: "text/event-stream",
      "User-Agent": "GitHubCopilotChat/1",
      Authorization: "Bearer secret",
      Cookie: "a=b",
      Origin: "https://evil.example",
      Referer: "https://evil.example/",
      "Proxy-Authorization": "Basic x",
      "X-Forwarded-For": "1.2.3.4",
      "X-Model": "llama3",
      "X-Request-Id": "request-1",
      "Accept-Language": "de",
    };
    const answer = await fetch(`${node.url}/ollama${path}`, { method: "POST", body: "{}", headers });
    await answer.text();
    const [seen] = passedOn(ollama);
    const got = (seen?.headers ?? []).map(([name, value]): [string, string] => [name.toLowerCase(), value]);
    expect(Object.fromEntries(got.filter(([name]) => name !== "connection"))).toEqual({
      "content-type": "application/json",
      "content-encoding": "zstd",
      accept: "text/event-stream",
      "user-agent": "GitHubCopilotChat/1",
      "x-request-id": "request-1",
      "accept-encoding": "identity",
      host: `127.0.0.1:${ollama.port}`,
      "content-length": "2",
    });
  });

  test.each([
    ["GET", "/ollama"],
    ["GET", "/ollama/nix"],
    ["GET", "/ollama/api"],
    ["GET", "/ollama/api/tags/"],
    ["GET", "/ollama//api/tags"],
    ["GET", "/ollama/api//tags"],
    ["GET", "/ollama/v1/../api/nix"],
    ["GET", "/ollama/API/tags"],
    ["GET", "/ollama/%61pi/tags"],
    ["GET", "/%6fllama/api/tags"],
    ["GET", "//ollama/api/tags"],
    ["GET", "/ollama/api%2Ftags"],
    ["GET", "/ollama/api/tags%2f"],
    ["GET", "/ollama/api/tags%3Fa"],
    ["GET", "/ollama/api/tags#a"],
    ["GET", "/ollama/v1/models/a#b"],
    ["GET", "/ollama/v1/models/"],
    ["GET", "/ollama/v1/models/a/b"],
    ["GET", "/ollama/v1/models/a%2fb"],
    ["GET", "/ollama/v1/models/%2e%2e"],
    ["GET", "/ollama/v1/models/.."],
    ["GET", "/ollama/v1/models/..\\..\\api\\nix"],
    ["POST", "/ollama/api/blobs/%2e%2e%2fpull"],
    ["POST", "/ollama/api/blobs/.."],
    ["POST", "/ollama/ollama/api/generate"],
    ["POST", "/ollama/debug/pprof"],
    ["POST", "/ollama/v1/images/generations"],
    ["POST", "/ollama/http://evil.example/api/generate"],
    ["HEAD", "/ollama/api/ps"],
    ["GET", "/ollama/api/generate"],
    ["POST", "/ollama/api/tags"],
    ["PUT", "/ollama/api/generate"],
    ["PATCH", "/ollama/api/show"],
    ["OPTIONS", "/ollama/api/generate"],
    ["TRACE", "/ollama/api/tags"],
    ["GET", "/ollama/api/delete"],
  ])("nothing of %s %s", async (method, path) => {
    // So quiet that every request Ollama sees is one of these.
    const { node, ollama } = await start({}, { ollamaLookMs: 60_000 });
    await until("the node has looked", () => ollama.seen.some((seen) => seen.path === "/api/ps"));
    const before = ollama.seen.length;
    const { head, body } = await exchangeBytes(node.port, requestBytes(method, path, null, false), 500);
    expect(head).toStartWith("HTTP/1.1 404 ");
    if (method !== "HEAD") expect(JSON.parse(body)).toEqual({ detail: expect.stringContaining("Not found") });
    expect(ollama.seen.length).toBe(before);
  });

  test("a refusal names what was asked", async () => {
    const { node } = await start();
    const answer = await fetch(`${node.url}/ollama/api/nix?secret`, { method: "PUT", body: "x" });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({ detail: "Not found: PUT /ollama/api/nix" });
  });

  test("dots are resolved before the route is found, and what was found is what is asked", async () => {
    const { node, ollama } = await start({}, { ollamaLookMs: 60_000 });
    const { head } = await exchangeBytes(
      node.port,
      "GET /ollama/v1/./x/%2E./models/..;/?a HTTP/1.1\r\nHost: n\r\n\r\n",
      500,
    );
    expect(head).toStartWith("HTTP/1.1 404 ");
    const found = await exchangeBytes(node.port, "POST /ollama/api/blobs/../show HTTP/1.1\r\nHost: n\r\n\r\n");
    expect(found.body).toBe('{"error":"missing request body"}');
    expect(passedOn(ollama).map(({ path }) => path)).toEqual(["/api/show"]);
  });
});
