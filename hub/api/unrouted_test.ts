/** Wrong methods, slashes and unknown paths, byte by byte as Ollama's router answers them. */
import { afterAll, expect, test } from "bun:test";
import { Hono } from "hono";
import { listen } from "../../shared/listen.ts";
import { OLLAMA_ROUTES } from "../../shared/ollama_routes.ts";
import { exchangeBytes } from "../../shared/testing/fake_ollama_wire.ts";
import { strictMethods, unrouted } from "./unrouted.ts";

const app = new Hono();
app.use(strictMethods(app.routes));
app.notFound(unrouted);
for (const { path, methods } of OLLAMA_ROUTES) {
  // Hono has no HEAD of its own, it answers by GET. A blob, which has HEAD and POST only, is registered with GET too.
  const answered = methods.map((method) => (method === "HEAD" ? "GET" : method));
  app.on(answered, path, (context) => context.text("routed"));
}
const own = new Hono();
own.get("/nodes", (context) => context.text("routed"));
own.post("/nodes/heartbeat", (context) => context.text("routed"));
own.get("/nodes/:id", (context) => context.text("routed"));
own.delete("/nodes/:id", (context) => context.text("routed"));
own.post("/jobs", (context) => context.text("routed"));
own.get("/static/*", (context) => context.text("routed"));
own.get("/openapi.json", (context) => context.text("routed"));
app.route("/", own);
app.all("/anything/*", (context) => context.text("routed"));

const server = listen({ port: 0, hostname: "127.0.0.1", fetch: app.fetch });
afterAll(() => server.stop(true));

/** Status, headers but Date, and body of the answer to `method` `target`. */
async function ask(method: string, target: string): Promise<[status: number, headers: string[], body: string]> {
  const { head, body } = await exchangeBytes(server.port ?? 0, `${method} ${target} HTTP/1.1\r\nHost: hub\r\n\r\n`);
  const [statusLine = "", ...headers] = head.split("\r\n");
  const shown = headers.filter((header) => !header.startsWith("Date")).map((header) => header.replace(/^c/, "C"));
  return [Number(statusLine.split(" ")[1]), shown.map((header) => header.replace("-length", "-Length")).sort(), body];
}

test.each(OLLAMA_ROUTES.flatMap(({ path, methods }) => methods.map((method) => [method, path] as const)))(
  "%s %s goes to its route",
  async (method, path) => {
    const [status, , body] = await ask(method, path.replace(/:\w+/, "sha256-1"));
    expect([status, body]).toEqual([200, method === "HEAD" ? "" : "routed"]);
  },
);

const allMethods = ["HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

test.each(OLLAMA_ROUTES)("every other method of $path is 405 with what is allowed", async ({ path, methods }) => {
  for (const method of allMethods.filter((each) => !(methods as readonly string[]).includes(each))) {
    const length = "Content-Length: 22";
    expect(await ask(method, path.replace(/:\w+/, "x"))).toEqual([
      405,
      [`Allow: ${methods.join(", ")}`, length, "Content-Type: text/plain"],
      method === "HEAD" ? "" : "405 method not allowed",
    ]);
  }
});

test.each<[method: string, target: string]>([
  ["GET", "/nope"],
  ["POST", "/nope?x=1"],
  ["OPTIONS", "/nope"],
  ["GET", "//api/tags"],
  ["GET", "/API/tags"],
  ["GET", "/api"],
  ["GET", "/api/"],
  ["GET", "/v1/models/a/b"],
  ["GET", "/v1/models/a%2Fb"],
  ["GET", "/v1/models/a%2fb"],
  ["HEAD", "/v1/models/a%2Fb"],
  ["POST", "/api/blobs/sha256%2F1"],
  ["GET", "/api%2Ftags"],
  ["GET", "/api/tags//"],
  ["GET", "/api/chat/"],
  ["POST", "/api/blobs/"],
  ["PUT", "/nope/"],
  ["GET", "/nodes/a/b"],
])("%s %s is Ollama's 404", async (method, target) => {
  expect(await ask(method, target)).toEqual([
    404,
    ["Content-Length: 18", "Content-Type: text/plain"],
    method === "HEAD" ? "" : "404 page not found",
  ]);
});

test.each<[method: string, target: string]>([
  ["GET", "/api/%74ags"],
  ["GET", "/v1/models/a%20b"],
  ["GET", "/v1/models/a%252Fb"],
  ["GET", "/v1/models/llama3:8b?verbose=1"],
])("%s %s goes to a route: other escapes mean what they stand for", async (method, target) => {
  expect(await ask(method, target)).toMatchObject([200, expect.any(Array), "routed"]);
});

test("HEAD is refused for a GET-only path however it is escaped", async () => {
  expect(await ask("HEAD", "/api/%70s")).toMatchObject([405, expect.arrayContaining(["Allow: GET"]), ""]);
});

test.each<[target: string, location: string, inPage: string]>([
  ["/api/tags/", "/api/tags", "/api/tags"],
  ["/api/tags/?a=1&b=%20c", "/api/tags?a=1&b=%20c", "/api/tags?a=1&amp;b=%20c"],
  ["/v1/models/a%20b/", "/v1/models/a%20b", "/v1/models/a%20b"],
  [`/v1/models/'<">é/?é`, "/v1/models/'%3C%22%3E%C3%A9?%C3%A9", "/v1/models/&#39;%3C%22%3E%C3%A9?%C3%A9"],
  ["/nodes/", "/nodes", "/nodes"],
  ["//", "/", "/"],
])("GET %s is sent to %s", async (target, location, inPage) => {
  const body = `<a href="${inPage}">Moved Permanently</a>.\n\n`;
  expect(await ask("GET", target)).toEqual([
    301,
    [`Content-Length: ${body.length}`, "Content-Type: text/html; charset=utf-8", `Location: ${location}`],
    body,
  ]);
});

test.each<[method: string, target: string, location: string]>([
  ["POST", "/api/chat/", "/api/chat"],
  ["POST", "/api/chat/?x=1", "/api/chat?x=1"],
  ["DELETE", "/api/delete/", "/api/delete"],
  ["HEAD", "/api/tags/", "/api/tags"],
  ["POST", "/jobs/", "/jobs"],
])("%s %s is sent to %s with its body", async (method, target, location) => {
  expect(await ask(method, target)).toEqual([307, ["Content-Length: 0", `Location: ${location}`], ""]);
});

test.each<[method: string, path: string, allow: string, detail: string]>([
  ["GET", "/jobs", "POST", "Method Not Allowed: /jobs answers POST, not GET"],
  ["HEAD", "/jobs", "POST", ""],
  ["OPTIONS", "/jobs", "POST", "Method Not Allowed: /jobs answers POST, not OPTIONS"],
  ["POST", "/nodes", "HEAD, GET", "Method Not Allowed: /nodes answers GET, not POST"],
  ["PUT", "/nodes/one", "HEAD, GET, DELETE", "Method Not Allowed: /nodes/one answers GET and DELETE, not PUT"],
  [
    "PATCH",
    "/nodes/heartbeat",
    "HEAD, GET, POST, DELETE",
    "Method Not Allowed: /nodes/heartbeat answers GET and POST and DELETE, not PATCH",
  ],
  ["POST", "/static/style.css", "HEAD, GET", "Method Not Allowed: /static/style.css answers GET, not POST"],
  ["POST", "/openapi.json", "HEAD, GET", "Method Not Allowed: /openapi.json answers GET, not POST"],
])("%s %s of the hub's own is 405 and says what is right", async (method, path, allow, detail) => {
  const [status, headers, body] = await ask(method, path);
  expect([status, headers]).toEqual([
    405,
    expect.arrayContaining([`Allow: ${allow}`, "Content-Type: application/json"]),
  ]);
  expect(body).toBe(method === "HEAD" ? "" : JSON.stringify({ detail }));
});

test.each<[method: string, path: string]>([
  ["GET", "/nodes"],
  ["HEAD", "/nodes"],
  ["HEAD", "/static/style.css"],
  ["POST", "/nodes/heartbeat"],
  ["DELETE", "/nodes/one"],
  ["PATCH", "/anything/at/all"],
])("%s %s of the hub's own goes to its route", async (method, path) => {
  expect((await ask(method, path))[0]).toBe(200);
});

test("a dot in a path of the hub's own stands for itself", async () => {
  expect((await ask("GET", "/openapiXjson"))[0]).toBe(404);
});
