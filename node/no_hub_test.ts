/** Whom a node works for that no hub has taken in yet, or one that has no key. */
import { afterEach, describe, expect, test } from "bun:test";
import { parseAddress } from "../shared/address.ts";
import { createLogger } from "../shared/log.ts";
import { type FakeOllama, startFakeOllama } from "../shared/testing/fake_ollama.ts";
import { startNode, type TestNode } from "../shared/testing/start_node.ts";
import { whyNotOlderHub } from "./older_hub.ts";
import { startStubHub } from "./testing/stub_hub.ts";
import { until } from "./testing/until.ts";

const toEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0).reverse()) await end();
});

const JOB = JSON.stringify({ model: "llama3", prompt: "why", options: { num_predict: 3 }, stream: false });
const REQUESTS: readonly [method: string, path: string, body?: string][] = [
  ["POST", "/execute", JOB],
  ["POST", "/ollama/api/generate", JOB],
  ["POST", "/ollama/v1/chat/completions", '{"model":"llama3","messages":[]}'],
  ["GET", "/ollama/api/tags"],
  ["POST", "/ollama/api/show", '{"model":"llama3"}'],
  ["POST", "/ollama/api/pull", '{"model":"fresh"}'],
  ["POST", "/ollama/api/copy", '{"source":"llama3","destination":"x"}'],
  ["POST", `/ollama/api/blobs/sha256:${"0".repeat(64)}`, "blob"],
  ["DELETE", "/ollama/api/delete", '{"model":"llama3"}'],
];

/** What a node looks at by itself. */
const LOOKS = ["/api/version", "/api/tags", "/api/ps", "/"];
const asked = ({ seen }: FakeOllama) =>
  seen.filter(({ method, path }) => method !== "GET" || !LOOKS.includes(path)).map(({ path }) => path);

async function start(serverUrl?: string) {
  const ollama = await startFakeOllama({ models: ["llama3:latest"] });
  const lines: string[] = [];
  const log = createLogger("test", "ERROR", false);
  log.warn = ((_: unknown, words?: string) => void lines.push(words ?? String(_))) as typeof log.warn;
  const node = await startNode({ ollamaUrl: ollama.url, log, ...(serverUrl === undefined ? {} : { serverUrl }) });
  toEnd.push(node.stop, ollama.stop);
  return { ollama, node, lines };
}

const send = (node: TestNode, [method, path, body]: (typeof REQUESTS)[number], headers: Record<string, string> = {}) =>
  fetch(node.url + path, { method, headers, ...(body === undefined ? {} : { body }) });

const statuses = (node: TestNode) => Promise.all(REQUESTS.map(async (each) => (await send(node, each)).status));

describe("a node whose hub", () => {
  test("is away works for nobody, by no route, and Ollama hears nothing of it", async () => {
    const { node, ollama } = await start();
    expect(await statuses(node)).toEqual(REQUESTS.map(() => 401));
    expect(asked(ollama)).toEqual([]);
  });

  test.each([403, 409, 500])("answers its heartbeats %d works for nobody either", async (status) => {
    const hub = startStubHub();
    toEnd.push(hub.stop);
    hub.refuseWith(status);
    const { node, ollama } = await start(hub.url);
    await until("it was refused", () => hub.heartbeats.length > 0);
    expect(await statuses(node)).toEqual(REQUESTS.map(() => 401));
    expect(asked(ollama)).toEqual([]);
  });

  test("has no key does that hub's jobs and nothing else, and says so once", async () => {
    const hub = startStubHub();
    toEnd.push(hub.stop);
    const { node, ollama, lines } = await start(hub.url);
    await node.joined;
    const [, ...others] = REQUESTS.map(() => 401);
    expect(await statuses(node)).toEqual([200, ...others]);
    expect(asked(ollama)).toEqual(["/api/generate"]);
    await hub.goAway();
    hub.comeBack();
    await until("it has joined again", () => hub.heartbeats.length > 1);
    expect(lines.filter((line) => line.includes("of an earlier version"))).toHaveLength(1);
    const [job] = REQUESTS;
    if (job === undefined) throw new Error("no job");
    expect((await send(node, job, { origin: "http://evil.example" })).status).toBe(401);
    expect((await send(node, job, { host: "rebind.evil.example" })).status).toBe(401);
  });
});

test("a job that comes before the first answer of a hub without a key has arrived waits for it", async () => {
  const hub = startStubHub();
  toEnd.push(hub.stop);
  const { node } = await start(hub.url);
  // It has looked for its Ollama only so far.
  expect((await fetch(`${node.url}/execute`, { method: "POST", body: JOB })).status).toBe(200);
});

test.each<[what: string, admitted: boolean, source: string | null, url: string, headers: Record<string, string>]>([
  ["a hub in the same network", true, "192.168.1.2", "/execute", { host: "192.168.1.5:8001" }],
  ["a hub on this machine", true, "127.0.0.1", "/execute", { host: "localhost:8001" }],
  ["a hub by IPv6", true, "fd00::2", "/execute", { host: "[fd00::5]:8001" }],
  ["somebody outside", false, "203.0.113.7", "/execute", { host: "192.168.1.5:8001" }],
  ["somebody outside by IPv6", false, "2001:db8::7", "/execute", { host: "[2001:db8::5]:8001" }],
  ["a connection that is gone", false, null, "/execute", { host: "192.168.1.5:8001" }],
  ["anything but a job", false, "192.168.1.2", "/ollama/api/tags", { host: "192.168.1.5:8001" }],
  ["a path that only begins like a job", false, "192.168.1.2", "/execute/../ollama", { host: "192.168.1.5:8001" }],
  ["a name that leads here", false, "192.168.1.2", "/execute", { host: "evil.example:8001" }],
  ["no name at all", false, "192.168.1.2", "/execute", {}],
  ["a page", false, "192.168.1.2", "/execute", { host: "192.168.1.5:8001", origin: "null" }],
  ["a page's own browser", false, "127.0.0.1", "/execute", { host: "127.0.0.1:8001", "sec-fetch-site": "cross-site" }],
  ["a proxy", false, "127.0.0.1", "/execute", { host: "127.0.0.1:8001", "x-forwarded-for": "203.0.113.7" }],
])("as an older hub's request passes %s: %p", (_, admitted, source, path, headers) => {
  const request = { url: `http://node:8001${path}`, headers: new Headers(headers) };
  const why = whyNotOlderHub(request, source === null ? null : parseAddress(source));
  expect(why === null).toBe(admitted);
});
