/** The hub's routes as a client sees them, over real sockets. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { exchangeBytes } from "../shared/testing/fake_ollama_wire.ts";
import { startTestHub, type TestHub } from "../shared/testing/start_hub.ts";

let hub: TestHub;
beforeAll(() => {
  hub = startTestHub({ environment: { MAX_BODY_MB: "0.001" } });
});
afterAll(() => hub.stop());

const beat = { node_id: "one", ipv4: "192.0.2.1", port: 8001, models: ["llama3"], metadata: {} };
const json = { "content-type": "application/json" };
const post = (path: string, body: string, headers: Record<string, string> = json) =>
  fetch(hub.url + path, { method: "POST", headers, body });

async function seen(response: Response): Promise<[status: number, body: unknown]> {
  return [response.status, await response.json()];
}

test("/healthz says ok, and in a header which start of the hub this is", async () => {
  const [first, second] = [await fetch(`${hub.url}/healthz`), await fetch(`${hub.url}/healthz`)];
  expect(await seen(first)).toEqual([200, { status: "ok" }]);
  expect(first.headers.get("x-hub-boot-id")).toMatch(/^[0-9a-f-]{36}$/);
  expect(second.headers.get("x-hub-boot-id")).toBe(first.headers.get("x-hub-boot-id"));
});

test("a heartbeat joins a node, seen from the address it came from, whatever its content type says", async () => {
  expect(await seen(await post("/nodes/heartbeat", JSON.stringify(beat), {}))).toEqual([
    200,
    { node_id: "one", status: "ok", ipv4: "127.0.0.1", ipv6: null },
  ]);
  const [status, node] = await seen(await fetch(`${hub.url}/nodes/one`));
  expect(status).toBe(200);
  expect(node).toMatchObject({ node_id: "one", ipv4: "127.0.0.1", port: 8001, models: ["llama3"], status: "online" });
});

test("a node nobody knows is 404 with the user's own words", async () => {
  expect(await seen(await fetch(`${hub.url}/nodes/nobody`))).toEqual([404, { detail: "Node not found" }]);
});

test.each<[words: string, body: string, status: number, detail: string]>([
  ["that is no JSON", "{", 400, "The body is not valid JSON"],
  ["that is empty", "", 400, "The body is not valid JSON"],
  ["without a port", JSON.stringify({ ...beat, port: undefined }), 400, "port: is required (number)"],
  ["with port 0", JSON.stringify({ ...beat, port: 0 }), 400, "port: Too small: expected number to be >=1"],
  [
    "of a stranger larger than 64 kB",
    " ".repeat(65_537),
    413,
    "A heartbeat is larger than 64 kB, and its sender is no node this hub knows: only a node with a key may say more",
  ],
  [
    "with metadata nested without end",
    JSON.stringify(beat).replace("{}", `{"a":${"[".repeat(30_000)}${"]".repeat(30_000)}}`),
    400,
    "metadata: expected at most 16 kB of JSON",
  ],
])("a heartbeat %s is refused with the reason", async (_, body, status, detail) => {
  expect(await seen(await post("/nodes/heartbeat", body))).toEqual([status, { detail }]);
  expect((await fetch(`${hub.url}/nodes`)).status).toBe(200);
});

test.each(["0", "-1", "1001", "many", "1.5"])(
  "GET /logs?limit=%s is refused by the name of the field",
  async (limit) => {
    const [status, body] = await seen(await fetch(`${hub.url}/logs?limit=${limit}`));
    expect(status).toBe(400);
    expect(body).toMatchObject({ detail: expect.stringContaining("limit: ") });
  },
);

test("a job larger than MAX_BODY_MB is 413 with the setting's name, and in the log", async () => {
  const response = await post("/jobs", JSON.stringify({ model: "llama3", prompt: "x".repeat(2000) }));
  expect(await seen(response)).toEqual([413, { detail: "The body is larger than 0.001 MB (MAX_BODY_MB)" }]);
  expect((await hub.logs(1))[0]).toMatchObject({ status_code: 413, success: false, endpoint: "/jobs" });
});

test("an unknown path is 404 in Ollama's words", async () => {
  const response = await fetch(`${hub.url}/nope`);
  expect([response.status, await response.text()]).toEqual([404, "404 page not found"]);
});

test("a browser gets the dashboard at /, everybody else what Ollama says there", async () => {
  const page = await fetch(hub.url, { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } });
  expect(await page.text()).toStartWith("<!doctype html>");
  for (const accept of ["*/*", "application/json", ""]) {
    const response = await fetch(hub.url, { headers: { accept } });
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await response.text()).toBe("Ollama is running");
  }
});

test("the pages of the dashboard come with headers that let them load nothing from elsewhere", async () => {
  for (const path of ["/", "/static/logs.html", "/static/explain.html", "/docs"]) {
    const response = await fetch(hub.url + path, { headers: { accept: "text/html" } });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-security-policy")).toStartWith("default-src 'none'");
    expect((await response.text()).length).toBeGreaterThan(100);
  }
});

test.each<[words: string, head: string]>([
  ["two Host headers", "Host: a\r\nHost: b"],
  ["an empty Host", "Host: "],
  ["a user in its Host", "Host: x@y"],
])("a request with %s is refused before any route sees it", async (_, head) => {
  const answer = await exchangeBytes(hub.port, `GET /zz/nodes HTTP/1.1\r\n${head}\r\nConnection: close\r\n\r\n`);
  expect(answer.head).toStartWith("HTTP/1.1 400");
});
