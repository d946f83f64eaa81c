/** The gate over a real hub: open to its own network, closed by a key, and what each key may then do. */
import { expect, test } from "bun:test";
import { zstdCompressSync } from "bun";
import { startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { command, secretIn } from "../testing/typed.ts";

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const CHAT = { model: "llama3", messages: [{ role: "user", content: "x" }], stream: false };
const JOB = { model: "llama3", prompt: "x", stream: false };

const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

test("without a key everybody on this machine is let in, whatever key they send", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  const { url } = fleet.hub;
  expect((await post(`${url}/api/chat`, CHAT, { ...bearer("sk-anything"), "x-api-key": "other" })).status).toBe(200);
  expect((await post(`${url}/k/anything/api/chat`, CHAT)).status).toBe(200);
  expect(await (await fetch(`${url}/access`)).json()).toMatchObject({
    mode: "open",
    role: "admin",
    advice: expect.any(String),
  });
});

test.each<[what: string, headers: Record<string, string>, status: number, words: string]>([
  ["a name that anybody may own", { host: "rebound.example.com" }, 421, "ALLOWED_HOSTS=rebound.example.com"],
  ["a proxy", { "x-forwarded-for": "192.168.1.2" }, 401, "API_KEYS"],
  ["a page of another site", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }, 403, "OLLAMA_ORIGINS"],
])("an open hub refuses %s, in the words of every family", async (_, headers, status, words) => {
  const hub = startTestHub();
  for (const path of [
    "/api/tags",
    "/v1/models",
    "/v1/messages",
    "/nodes",
    "/access",
    "/",
    "/static/style.css",
    "/nowhere",
  ]) {
    const answer = await fetch(hub.url + path, { headers });
    const text = await answer.text();
    expect([path, answer.status, text.includes(words)]).toEqual([path, status, true]);
    const json = JSON.parse(text);
    if (path === "/api/tags") expect(json).toEqual({ error: expect.any(String) });
    if (path === "/v1/models") expect(json).toMatchObject({ error: { message: expect.any(String) } });
    if (path === "/v1/messages") expect(json).toMatchObject({ type: "error", error: { message: expect.any(String) } });
    if (path === "/nodes") expect(json).toEqual({ detail: expect.any(String) });
  }
  expect((await fetch(`${hub.url}/healthz`, { headers })).status).toBe(200);
  await hub.stop();
});

test("a hub answers to the names it was told", async () => {
  const hub = startTestHub({ environment: { ALLOWED_HOSTS: "hub.example.com,*.example.org" } });
  for (const host of [
    "hub.example.com",
    "HUB.example.com:8000",
    "a.b.example.org",
    "localhost",
    "10.0.0.1:8000",
    "[::1]:8000",
  ]) {
    expect([host, (await fetch(`${hub.url}/nodes`, { headers: { host } })).status]).toEqual([host, 200]);
  }
  expect((await fetch(`${hub.url}/nodes`, { headers: { host: "example.org" } })).status).toBe(421);
  await hub.stop();
});

test("the first key closes the hub within a second, this machine included, and the last one's end does not open it", async () => {
  const STATE_DIR = emptyStateFolder();
  const hub = startTestHub({ environment: { STATE_DIR } });
  expect((await fetch(`${hub.url}/nodes`)).status).toBe(200);
  const key = secretIn(command(STATE_DIR, "key", "add", "me", "--admin"));
  const startedAt = performance.now();
  await eventually(async () => expect((await fetch(`${hub.url}/nodes`)).status).toBe(401));
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect((await fetch(`${hub.url}/nodes`, { headers: bearer(key) })).status).toBe(200);
  command(STATE_DIR, "key", "revoke", "me");
  await eventually(async () => expect((await fetch(`${hub.url}/nodes`, { headers: bearer(key) })).status).toBe(401));
  expect((await fetch(`${hub.url}/nodes`)).status).toBe(401);
  expect((await fetch(`${hub.url}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${hub.url}/access`)).json()).toEqual({ mode: "closed" });
  await hub.stop();
});

test("a key is taken from either header and from the path, and two different ones from nowhere", async () => {
  const API_KEYS = "first-caller-key,second-caller-key,admin:an-admins-key";
  await using fleet = await startFleet({ nodes: ["a"], hub: { environment: { API_KEYS }, key: "an-admins-key" } });
  const { url } = fleet.hub;
  const key = "first-caller-key";
  expect((await post(`${url}/api/chat`, CHAT)).status).toBe(401);
  expect((await post(`${url}/api/chat`, CHAT, bearer(key))).status).toBe(200);
  expect((await post(`${url}/v1/chat/completions`, CHAT, { "x-api-key": key })).status).toBe(200);
  expect((await post(`${url}/k/${key}/api/chat`, CHAT)).status).toBe(200);
  expect((await post(`${url}/k/${key}/api/chat`, CHAT, bearer(key))).status).toBe(200);
  expect((await post(`${url}/api/chat`, CHAT, { ...bearer(key), "x-api-key": "second-caller-key" })).status).toBe(400);
  expect((await post(`${url}/k/${key}/api/chat`, CHAT, bearer("second-caller-key"))).status).toBe(400);
  for (const query of [`?key=${key}`, `?api_key=${key}`, `?access_token=${key}`]) {
    expect((await post(`${url}/api/chat${query}`, CHAT)).status).toBe(401);
  }
  for (const wrong of ["", key.slice(0, -1), `${key}x`, key.toUpperCase(), "x".repeat(10_000)]) {
    expect((await post(`${url}/api/chat`, CHAT, bearer(wrong))).status).toBe(401);
  }
  expect((await post(`${url}/api/chat`, CHAT, { authorization: `Basic ${key}` })).status).toBe(401);
});

test("a key that is base64 is good in a header, and in the path with %2F for its slashes", async () => {
  const key = "q1/Ab+cd/EF==";
  const odd = "50%off?#%2F/ü";
  const hub = startTestHub({ environment: { API_KEYS: `admin:${key},admin:${odd}` } });
  const status = async (path: string, headers = {}) => (await fetch(hub.url + path, { headers })).status;
  expect(await status("/nodes", bearer(key))).toBe(200);
  for (const written of [encodeURIComponent(key), key.replaceAll("/", "%2F"), key.replaceAll("/", "%2f")]) {
    expect([written, await status(`/k/${written}/nodes`)]).toEqual([written, 200]);
    expect([written, await status(`/k/${written}/nodes`, bearer(key))]).toEqual([written, 200]);
  }
  expect(await status(`/k/${encodeURIComponent(odd)}/nodes`)).toBe(200);
  expect(await status(`/k/${key}/nodes`)).toBe(401);
  expect(await status(`/k/${encodeURIComponent(`${key}/x`)}/nodes`)).toBe(401);
  await hub.stop();
});

test("a key in the path is in no log and in no answer", async () => {
  const lines: string[] = [];
  const log = { info: (...said: unknown[]) => lines.push(JSON.stringify(said)) };
  const write = log.info;
  const logger = new Proxy({}, { get: () => write });
  const hub = startTestHub({ environment: { API_KEYS: "admin:a-secret-of-the-admin" }, log: logger as never });
  const prefix = `${hub.url}/k/a-secret-of-the-admin`;
  for (const path of ["/nodes", "/nowhere", "/api/chat", "/jobs", "/api/tags/", "/jobs/", "/nodes/?a=b"]) {
    for (const init of [{ method: "POST", body: JSON.stringify(JOB) }, {}]) {
      const answer = await fetch(prefix + path, { ...init, redirect: "manual" });
      expect(JSON.stringify([...answer.headers]) + (await answer.text())).not.toContain("a-secret-of");
      if (answer.status < 300 || answer.status > 399) continue;
      expect(answer.headers.get("cache-control")).toBe("no-store");
      const goal = new URL(answer.headers.get("location") ?? "", prefix + path).href;
      expect(goal).toBe(prefix + path.replace(/\/(?=$|\?)/, ""));
    }
  }
  expect(await (await fetch(`${prefix}/logs`)).text()).not.toContain("a-secret-of");
  expect(lines.join("\n")).not.toContain("a-secret-of");
  await hub.stop();
});

test("a key for certain models uses and sees these, however they are named", async () => {
  const STATE_DIR = emptyStateFolder();
  const limited = secretIn(command(STATE_DIR, "key", "add", "limited", "--models", "llama3,qwen*"));
  const admin = secretIn(command(STATE_DIR, "key", "add", "boss", "--admin"));
  const hub = startTestHub({ environment: { STATE_DIR } });
  const chat = (body: object | string, path = "/api/chat", key = limited) =>
    fetch(hub.url + path, {
      method: "POST",
      headers: bearer(key),
      body: typeof body === "string" ? body : JSON.stringify({ ...CHAT, ...body }),
    });
  // Nobody has any model: what is let in is told that no node is there, and what is not is told that.
  for (const model of ["llama3", "LLAMA3:latest", "registry.ollama.ai/library/llama3", "qwen2.5:7b"]) {
    expect([model, (await chat({ model })).status]).toEqual([model, 503]);
  }
  for (const model of ["mistral", "llama3:70b", "x/llama3", "hf.co/a/qwen", "", "../llama3"]) {
    expect([model, (await chat({ model })).status]).toEqual([model, 403]);
  }
  const twice = '{"model":"llama3","MODEL":"mistral","messages":[]}';
  for (const path of ["/api/chat", "/api/generate", "/v1/chat/completions", "/v1/messages", "/api/show"]) {
    expect([path, (await chat(twice, path)).status]).toEqual([path, 403]);
    expect([path, (await chat("{broken", path)).status]).toEqual([path, 403]);
  }
  expect((await chat('{"model":"llama3","MODEL":"mistral","prompt":"x"}', "/jobs")).status).toBe(400);
  expect((await chat({ model: "mistral" }, "/api/chat", admin)).status).toBe(503);
  const packed = await fetch(`${hub.url}/v1/chat/completions`, {
    method: "POST",
    headers: { ...bearer(limited), "content-encoding": "zstd" },
    body: zstdCompressSync(JSON.stringify({ ...CHAT, model: "mistral" })),
  });
  expect(packed.status).toBe(403);
  await hub.stop();
});

test("a login stands for its key, in this browser only, until it is ended or the key is", async () => {
  const STATE_DIR = emptyStateFolder();
  const viewer = secretIn(command(STATE_DIR, "key", "add", "eye", "--viewer"));
  const caller = secretIn(command(STATE_DIR, "key", "add", "program"));
  const hub = startTestHub({ environment: { STATE_DIR } });
  const login = (key: string, headers = {}) => post(`${hub.url}/login`, { key }, headers);
  expect((await login("ohk_wrong")).status).toBe(401);
  expect((await login(caller)).status).toBe(403);
  expect((await login(viewer, { "content-type": "text/plain" })).status).toBe(415);
  expect((await login(viewer, { origin: "http://evil.example" })).status).toBe(403);
  const answer = await login(viewer);
  expect([answer.status, await answer.json()]).toEqual([200, { name: "eye", role: "viewer" }]);
  const set = answer.headers.get("set-cookie") ?? "";
  expect(set).toContain("HttpOnly");
  expect(set).toContain("SameSite=Strict");
  const cookie = set.split(";")[0] ?? "";
  const nodes = (headers: Record<string, string>) => fetch(`${hub.url}/nodes`, { headers });
  expect((await nodes({ cookie })).status).toBe(200);
  expect((await nodes({ cookie, "sec-fetch-site": "cross-site" })).status).toBe(403);
  expect((await nodes({ cookie, origin: "http://evil.example" })).status).toBe(403);
  expect((await nodes({ cookie: cookie.replace(/.$/, (last) => (last === "A" ? "B" : "A")) })).status).toBe(401);
  expect((await post(`${hub.url}/api/chat`, CHAT, { cookie })).status).toBe(403);
  await fetch(`${hub.url}/logout`, { method: "POST", headers: { cookie } });
  expect((await nodes({ cookie })).status).toBe(401);

  const again = ((await login(viewer)).headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  expect((await nodes({ cookie: again })).status).toBe(200);
  command(STATE_DIR, "key", "revoke", "eye");
  await eventually(async () => expect((await nodes({ cookie: again })).status).toBe(401));
  await hub.stop();
});

test("who listens to events hears no more as soon as its key, its login or the open hub has ended", async () => {
  const STATE_DIR = emptyStateFolder();
  const hub = startTestHub({ environment: { STATE_DIR } });
  const listen = async (headers: Record<string, string>) => {
    const response = await fetch(`${hub.url}/events?topics=requests`, { headers });
    expect(response.status).toBe(200);
    return { over: response.text() };
  };
  /** Until then it would be an open stream. */
  const ends = async ({ over }: { over: Promise<string> }) => {
    const from = performance.now();
    await over;
    expect(performance.now() - from).toBeLessThan(1_500);
  };
  const anybody = await listen({});
  const admin = secretIn(command(STATE_DIR, "key", "add", "boss", "--admin"));
  await ends(anybody);
  const boss = await listen(bearer(admin));

  const viewer = secretIn(command(STATE_DIR, "key", "add", "eye", "--viewer"));
  await eventually(async () => expect((await fetch(`${hub.url}/nodes`, { headers: bearer(viewer) })).status).toBe(200));
  const login = await post(`${hub.url}/login`, { key: viewer });
  const cookie = (login.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  const browser = await listen({ cookie });
  await fetch(`${hub.url}/logout`, { method: "POST", headers: { cookie } });
  await ends(browser);

  const revoked = await listen(bearer(viewer));
  command(STATE_DIR, "key", "revoke", "eye");
  await ends(revoked);
  expect(await Promise.race([boss.over.then(() => "ended"), Bun.sleep(0).then(() => "listens")])).toBe("listens");
  await hub.stop();
});

test("a browser without a login is sent to it, and finds there all that its page needs", async () => {
  const hub = startTestHub({ environment: { API_KEYS: "admin:a-secret-of-the-admin" } });
  const page = await fetch(`${hub.url}/`, { headers: { accept: "text/html" }, redirect: "manual" });
  expect([page.status, page.headers.get("location")]).toEqual([303, "/static/login.html"]);
  const headers = { accept: "text/html" };
  const another = await fetch(`${hub.url}/static/logs.html?model=a&x=1`, { headers, redirect: "manual" });
  expect(another.headers.get("location")).toBe("/static/login.html?to=%2Fstatic%2Flogs.html%3Fmodel%3Da%26x%3D1");
  const html = await (await fetch(`${hub.url}/static/login.html`)).text();
  const parts = [...html.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)].map(([, path]) => path);
  expect(parts.length).toBeGreaterThan(3);
  for (const path of parts) expect([path, (await fetch(hub.url + path)).status]).toEqual([path, 200]);
  expect((await fetch(`${hub.url}/static/fleet.js`)).status).toBe(401);
  await hub.stop();
});

test("a page whose Origin is allowed can read why it is refused, and ask before it sends a key", async () => {
  const origin = "http://page.example";
  const hub = startTestHub({ environment: { API_KEYS: "a-secret-of-a-caller", OLLAMA_ORIGINS: origin } });
  const refused = await fetch(`${hub.url}/api/tags`, { headers: { origin } });
  expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, origin]);
  const preflight = await fetch(`${hub.url}/api/chat`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST" },
  });
  expect(preflight.status).toBe(204);
  await hub.stop();
});

test("limits are told in the field's own headers, and end", async () => {
  const STATE_DIR = emptyStateFolder();
  const key = secretIn(command(STATE_DIR, "key", "add", "few", "--rpm", "2"));
  const hub = startTestHub({ environment: { STATE_DIR } });
  const ask = () => fetch(`${hub.url}/api/tags`, { headers: bearer(key) });
  const first = await ask();
  expect([first.status, first.headers.get("ratelimit-limit"), first.headers.get("ratelimit-remaining")]).toEqual([
    200,
    "2",
    "1",
  ]);
  expect((await ask()).status).toBe(200);
  const third = await ask();
  expect([third.status, third.headers.get("retry-after"), third.headers.get("ratelimit-remaining")]).toEqual([
    429,
    "30",
    "0",
  ]);
  expect(await third.json()).toEqual({ error: expect.stringContaining("2 requests a minute") });
  await hub.stop();
});
