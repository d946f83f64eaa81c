import { afterEach, describe, expect, test } from "bun:test";
import { HEADERS } from "../shared/protocol.ts";
import type { FakeOllamaOptions } from "../shared/testing/fake_ollama.ts";
import type { StartNodeOptions, TestNode } from "../shared/testing/start_node.ts";
import { healthOf, idle, startNodeWithOllama } from "./testing/node_with_ollama.ts";
import { startStubHub } from "./testing/stub_hub.ts";
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

/** The routes that run a model, and what makes each of them talk. */
const ROUTES = [
  ["/api/generate", { prompt: "why" }],
  ["/api/chat", { messages: [{ role: "user", content: "why" }] }],
  ["/v1/chat/completions", { messages: [{ role: "user", content: "why" }], stream: true }],
  ["/v1/messages", { messages: [{ role: "user", content: "why" }], max_tokens: 500, stream: true }],
] as const;

function ask(node: TestNode, path: string, more: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${node.url}/ollama${path}`, {
    method: "POST",
    headers: { [HEADERS.model]: "llama3" },
    body: JSON.stringify({ model: "llama3", ...more }),
    ...(signal === undefined ? {} : { signal }),
  });
}

describe.each(ROUTES)("%s through the node", (path, body) => {
  test("passes tokens on while Ollama still makes them, and takes a slot until the end", async () => {
    const { node, ollama } = await start({ tokensPerSecond: 50, tokens: 20 });
    const answer = await ask(node, path, body);
    const reader = answer.body?.getReader();
    await reader?.read();
    expect(ollama.counters.running).toBe(1);
    expect((await healthOf(node)).running).toBe(1);
    while (!(await reader?.read())?.done);
    await idle(node, ollama);
  });

  test.each([
    ["before the first token", { firstTokenMs: 60_000 }],
    ["while the model is being loaded", { loaded: [], loadMs: 60_000 }],
  ])("a caller that leaves %s stops the work", async (_name, options) => {
    const { node, ollama } = await start(options);
    const caller = new AbortController();
    const answer = ask(node, path, body, caller.signal).catch(() => null);
    await until("Ollama has it", () => ollama.counters.executions === 1);
    caller.abort();
    expect(await until("Ollama noticed", () => ollama.counters.aborted === 1)).toBeLessThan(1000);
    await answer;
    await idle(node, ollama);
  });

  test("a caller that leaves in the middle stops the work", async () => {
    const { node, ollama } = await start({ tokensPerSecond: 20, tokens: 1000 });
    const caller = new AbortController();
    const answer = await ask(node, path, body, caller.signal);
    await answer.body?.getReader().read();
    caller.abort();
    expect(await until("Ollama noticed", () => ollama.counters.aborted === 1)).toBeLessThan(1000);
    await idle(node, ollama);
  });

  test.each(["resetAfterBytes", "closeAfterBytes"] as const)(
    "an answer that breaks off is broken (%s)",
    async (kind) => {
      const { node, ollama } = await start();
      for (const bytes of [1, 150, 300]) {
        ollama.fault({ kind, bytes });
        const read = ask(node, path, body).then((answer) => answer.text());
        expect(await read.then(() => "ended cleanly").catch(() => "broken")).toBe("broken");
      }
      await idle(node, ollama);
    },
  );

  test("is told busy when no slot comes free within a second", async () => {
    const { node, ollama } = await start({ firstTokenMs: 60_000 }, { slots: 1 });
    const caller = new AbortController();
    const first = ask(node, path, body, caller.signal).catch(() => null);
    await until("the slot is taken", () => ollama.counters.running === 1);
    const answer = await ask(node, path, body);
    expect([answer.status, answer.headers.get(HEADERS.declined)]).toEqual([503, "busy"]);
    // What runs no model needs no slot.
    expect((await fetch(`${node.url}/ollama/api/tags`)).status).toBe(200);
    caller.abort();
    await first;
  });
});

test("callers that leave at any moment, at any route, leave no slot taken", async () => {
  const { node, ollama } = await start(
    { tokensPerSecond: 200, firstTokenMs: 10, tokens: 10, parallel: 64 },
    { slots: 64 },
  );
  const callers = Array.from({ length: 64 }, async (_, index) => {
    const [path, body] = ROUTES[index % ROUTES.length] ?? ROUTES[0];
    const caller = new AbortController();
    setTimeout(() => caller.abort(), index);
    await ask(node, path, body, caller.signal)
      .then((answer) => answer.text())
      .catch(() => null);
  });
  await Promise.all(callers);
  await idle(node, ollama);
});

describe("the model of an inference request", () => {
  test.each([
    ["named", { [HEADERS.model]: "llama3" }, ["llama3"]],
    ["written with a slash and a colon", { [HEADERS.model]: encodeURIComponent("hf.co/me/ü:Q4") }, ["hf.co/me/ü:Q4"]],
    ["not named", {}, []],
    ["badly written", { [HEADERS.model]: "%E0%A4%A" }, []],
    ["too long", { [HEADERS.model]: "x".repeat(600) }, []],
  ])("is told by the header (%s), and takes a slot in any case", async (_name, headers, loading) => {
    const { node, ollama } = await start({ loaded: [], loadMs: 60_000 });
    const caller = new AbortController();
    const answer = fetch(`${node.url}/ollama/api/chat`, {
      method: "POST",
      body: JSON.stringify({ model: "llama3", messages: ROUTES[1][1].messages }),
      headers,
      signal: caller.signal,
    }).catch(() => null);
    await until("Ollama has it", () => ollama.counters.executions === 1);
    await Bun.sleep(1050);
    expect(await healthOf(node)).toMatchObject({ running: 1, loading });
    caller.abort();
    await answer;
    await until("Ollama noticed", () => ollama.counters.aborted === 1);
    await idle(node, ollama);
  });
});

describe("the end of a cold load", () => {
  test("is noticed while the request is still silent, and told the hub", async () => {
    const hub = startStubHub();
    const { node, ollama } = await start(
      { loaded: [], loadMs: 300, firstTokenMs: 60_000 },
      { serverUrl: hub.url, ollamaLookMs: 60_000, hubLookMs: 60_000 },
    );
    toEnd.push(async () => hub.stop());
    await node.joined;
    const caller = new AbortController();
    const answer = ask(node, "/api/generate", { prompt: "a" }, caller.signal).catch(() => null);
    await until("the hub knows", () => hub.heartbeats.at(-1)?.loaded?.[0] === "llama3:latest", 2000);
    expect(hub.heartbeats.at(-1)?.ps?.[0]).toMatchObject({ name: "llama3:latest", context_length: 4096 });
    expect(ollama.counters.running).toBe(1);
    caller.abort();
    await answer;
  });

  test("is noticed by its first token when it was short", async () => {
    const hub = startStubHub();
    const { node } = await start({ loaded: [] }, { serverUrl: hub.url, ollamaLookMs: 60_000, hubLookMs: 60_000 });
    toEnd.push(async () => hub.stop());
    await node.joined;
    await (await ask(node, "/api/generate", { prompt: "a" })).text();
    await until("the hub knows", () => hub.heartbeats.at(-1)?.loaded?.[0] === "llama3:latest", 400);
  });

  test("and further use of the model is no news", async () => {
    const hub = startStubHub();
    const { node } = await start({}, { serverUrl: hub.url });
    toEnd.push(async () => hub.stop());
    await node.joined;
    await (await ask(node, "/api/generate", { prompt: "a" })).text();
    await Bun.sleep(200);
    const before = hub.heartbeats.length;
    for (const prompt of ["a", "b", "c"]) await (await ask(node, "/api/generate", { prompt })).text();
    await Bun.sleep(200);
    expect(hub.heartbeats.length).toBe(before);
  });
});
