/** CORS as browsers see it, over a real socket. */
import { afterAll, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import { Hono } from "hono";
import { type HttpServer, listen } from "../../shared/listen.ts";
import { parseOrigins } from "../policy/origins.ts";
import { cors } from "./cors.ts";

const servers: HttpServer[] = [];
const warnings: string[] = [];
afterAll(() => Promise.all(servers.map((server) => server.stop(true))));

/** A server behind the middleware, with an answer of every kind. */
function start(origins: string): string {
  const app = new Hono();
  app.use(cors(parseOrigins(origins), { warn: (...said: unknown[]) => warnings.push(String(said.at(-1))) }));
  app.notFound(() => new Response("404 page not found", { status: 404 }));
  app.onError((error) => new Response(error.message, { status: 500 }));
  app.get("/json", (context) => context.json({ ok: true }, 200, { Vary: "Accept" }));
  app.post("/stream", () => new Response(slowly("one\n", "two\n")));
  app.get("/broken", () => {
    throw new Error("no");
  });
  const server = listen({ port: 0, hostname: "127.0.0.1", fetch: app.fetch });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

function slowly(...pieces: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) return controller.close();
      await Bun.sleep(1);
      controller.enqueue(new TextEncoder().encode(piece));
    },
  });
}

const usual = start("http://page.example");
const open = start("*");
const PAGE = { Origin: "http://page.example" };

/** The headers of `response` that are about origins, by their names in lower case. */
function originHeaders(response: Response): Record<string, string> {
  return Object.fromEntries([...response.headers].filter(([name]) => /^(access-control-|vary)/.test(name)));
}

const exposed = {
  "access-control-expose-headers":
    "X-Request-Id,X-Node-Id,X-Attempts,X-Queue-Position,Retry-After,RateLimit-Limit,RateLimit-Remaining,RateLimit-Reset",
};
const forPage = { "access-control-allow-origin": PAGE.Origin, ...exposed };

test("a request without an Origin is answered as if there were no CORS", async () => {
  const response = await fetch(`${usual}/json`);
  expect(await response.json()).toEqual({ ok: true });
  expect(originHeaders(response)).toEqual({ vary: "Accept" });
});

test("a page of the hub itself needs no headers, over http or https", async () => {
  for (const origin of [usual, usual.replace("http:", "https:")]) {
    const response = await fetch(`${usual}/json`, { headers: { Origin: origin } });
    expect([response.status, originHeaders(response)]).toEqual([200, { vary: "Accept" }]);
  }
});

test.each(["GET", "POST", "OPTIONS", "HEAD"])("%s from a page that is not allowed is an empty 403", async (method) => {
  const response = await fetch(`${usual}/json`, { method, headers: { Origin: "http://evil.example" } });
  expect([response.status, await response.text(), originHeaders(response)]).toEqual([403, "", {}]);
});

test.each<[words: string, path: string, method: string, status: number, body: string, vary: string]>([
  ["a whole answer", "/json", "GET", 200, '{"ok":true}', "Accept, Origin"],
  ["a stream", "/stream", "POST", 200, "one\ntwo\n", "Origin"],
  ["an unknown path", "/nope", "GET", 404, "404 page not found", "Origin"],
  ["an error of the hub's", "/broken", "GET", 500, "no", "Origin"],
])("an allowed page may read %s", async (_, path, method, status, body, vary) => {
  const response = await fetch(usual + path, { method, headers: PAGE });
  expect([response.status, await response.text()]).toEqual([status, body]);
  expect(originHeaders(response)).toEqual({ ...forPage, vary });
});

test("a preflight is answered with what Ollama allows, and X-Node-Id, for any path", async () => {
  for (const path of ["/json", "/nope"]) {
    const response = await fetch(usual + path, { method: "OPTIONS", headers: PAGE });
    expect([response.status, await response.text()]).toEqual([204, ""]);
    expect(originHeaders(response)).toEqual({
      "access-control-allow-origin": PAGE.Origin,
      "access-control-allow-headers":
        "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,X-Stainless-Arch," +
        "X-Stainless-Async,X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang," +
        "X-Stainless-Os,X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count," +
        "X-Stainless-Runtime,X-Stainless-Runtime-Version,X-Stainless-Timeout,X-Node-Id," +
        "X-Api-Key,Anthropic-Version,Anthropic-Beta,Anthropic-Dangerous-Direct-Browser-Access",
      "access-control-allow-methods": "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS",
      "access-control-max-age": "43200",
      vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    });
  }
});

test("Anthropic's SDK in an allowed page may send all the headers it sends", async () => {
  const sent = new Set<string>();
  const client = new Anthropic({
    apiKey: "a-key",
    baseURL: "http://hub.example",
    dangerouslyAllowBrowser: true,
    maxRetries: 0,
    fetch: async (_, init) => {
      for (const name of new Headers(init?.headers).keys()) sent.add(name);
      return Response.json({ type: "error", error: { type: "api_error", message: "enough" } }, { status: 400 });
    },
  });
  const message = { model: "llama3", max_tokens: 1, messages: [{ role: "user" as const, content: "x" }] };
  await client.beta.messages.create({ ...message, betas: ["any-beta"] }).catch(() => null);
  expect([...sent]).toContain("anthropic-beta");
  // Its key is in `Authorization`, or here in releases before this one, in Python's and with plain fetch.
  sent.add("x-api-key");
  const preflight = await fetch(`${usual}/v1/messages`, { method: "OPTIONS", headers: PAGE });
  const allowed = preflight.headers.get("access-control-allow-headers")?.toLowerCase().split(",") ?? [];
  // A page cannot set this one, and need not ask for it.
  sent.delete("content-length");
  expect([...sent].filter((name) => !allowed.includes(name))).toEqual([]);
});

test("OPTIONS without an Origin is no preflight", async () => {
  expect((await fetch(`${usual}/json`, { method: "OPTIONS" })).status).toBe(404);
});

test("with OLLAMA_ORIGINS=* every page is told so, and nothing varies", async () => {
  const answer = await fetch(`${open}/json`, { headers: { Origin: "null" } });
  expect(originHeaders(answer)).toEqual({ "access-control-allow-origin": "*", ...exposed, vary: "Accept" });
  const preflight = await fetch(`${open}/json`, { method: "OPTIONS", headers: { Origin: "http://any.example" } });
  expect(preflight.status).toBe(204);
  expect(originHeaders(preflight)).toMatchObject({ "access-control-allow-origin": "*" });
  expect(preflight.headers.get("vary")).toBeNull();
});

test("a page on this machine needs no setting", async () => {
  const response = await fetch(`${usual}/json`, { headers: { Origin: "http://localhost:5173" } });
  expect(response.headers.get("access-control-allow-origin")).toBe("http://localhost:5173");
});

test("an origin that was refused is written into the log once, with what would let it in", async () => {
  const url = start("");
  warnings.length = 0;
  for (let times = 0; times < 3; times++) await fetch(`${url}/json`, { headers: { origin: "http://192.0.2.2:3000" } });
  expect(warnings).toEqual([
    "refused a web page of http://192.0.2.2:3000: OLLAMA_ORIGINS=http://192.0.2.2:3000 would let it use this hub",
  ]);
});
