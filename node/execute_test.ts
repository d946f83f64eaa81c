import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { HEADERS } from "../shared/protocol.ts";
import { expectedText, type FakeOllama, type FakeOllamaOptions } from "../shared/testing/fake_ollama.ts";
import type { StartNodeOptions } from "../shared/testing/start_node.ts";
import { healthOf, idle, job, postExecute, startNodeWithOllama, wholeText } from "./testing/node_with_ollama.ts";
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

const generations = (ollama: FakeOllama) => ollama.seen.filter(({ path }) => path === "/api/generate").length;

describe("POST /execute", () => {
  test("a stream comes whole, with Ollama's status and type, options under options", async () => {
    const { node } = await start();
    const answer = await postExecute(node.url, job(), { headers: { [HEADERS.requestId]: "request-1" } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
    expect(answer.headers.get(HEADERS.nodeId)).toBe(node.nodeId);
    expect(answer.headers.get(HEADERS.requestId)).toBe("request-1");
    const text = await answer.text();
    expect(wholeText(text)).toBe(expectedText("why", 7, 20));
    expect(JSON.parse(text.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ done: true, model: "llama3" });
  });

  test("an answer that is not streamed comes as it is", async () => {
    const { node } = await start();
    const answer = await postExecute(node.url, job({ stream: false }));
    expect(answer.headers.get("content-type")).toStartWith("application/json");
    expect(await answer.json()).toMatchObject({ response: expectedText("why", 7, 20), done: true });
  });

  test("tokens are passed on while Ollama is still generating", async () => {
    const { node, ollama } = await start({ tokensPerSecond: 50 });
    const reader = (await postExecute(node.url, job())).body?.getReader();
    const first = await reader?.read();
    expect(new TextDecoder().decode(first?.value)).toContain('"done":false');
    expect(ollama.counters.running).toBe(1);
    await reader?.cancel();
  });

  test("Ollama's refusals keep their status and their words", async () => {
    const { node, ollama } = await start();
    const missing = await postExecute(node.url, job({ model: "nix" }));
    expect(missing.status).toBe(404);
    expect(await missing.json()).toEqual({ error: "model 'nix' not found" });
    ollama.fault({ kind: "status", status: 503 });
    const busy = await postExecute(node.url, job());
    expect(busy.status).toBe(503);
    expect(busy.headers.get(HEADERS.declined)).toBeNull();
    await idle(node, ollama);
  });

  test("an invalid body is refused by name and never reaches Ollama", async () => {
    const { node, ollama } = await start();
    const answer = await postExecute(node.url, { model: 3 });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ detail: "model: expected string, received number" });
    expect(generations(ollama)).toBe(0);
  });

  test("an unknown path is not found", async () => {
    const { node } = await start();
    const answer = await fetch(`${node.url}/nix`);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({ detail: "Not found" });
  });

  test("a connection that is cut before its body is whole reaches nothing", async () => {
    const { node, ollama } = await start();
    const head = "POST /execute HTTP/1.1\r\nHost: node\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const sent of [head, `${head}10\r\n{"model":"llama3"`]) {
      const socket = connect(node.port, "127.0.0.1");
      await new Promise((resolve) => socket.write(sent, resolve));
      await Bun.sleep(20);
      socket.destroy();
    }
    await postExecute(node.url, job()).then((answer) => answer.text());
    expect(generations(ollama)).toBe(1);
    await idle(node, ollama);
  });
});

describe("a caller that leaves", () => {
  test.each([
    ["while Ollama waits for a slot of its own", { parallel: 1, firstTokenMs: 60_000 }, 2],
    ["while the model is being loaded", { loaded: [], loadMs: 60_000 }, 1],
    ["before the first token", { firstTokenMs: 60_000 }, 1],
  ])("%s stops the generation", async (_name, options, requests) => {
    const { node, ollama } = await start(options);
    const caller = new AbortController();
    const answers = Array.from({ length: requests }, () =>
      postExecute(node.url, job(), { signal: caller.signal }).catch(() => null),
    );
    await until("Ollama has the request", () => ollama.counters.executions === requests);
    caller.abort();
    const ms = await until("Ollama noticed", () => ollama.counters.aborted === requests);
    expect(ms).toBeLessThan(2000);
    await Promise.all(answers);
    await idle(node, ollama);
  });

  test.each([true, false])("in the middle of the answer (streamed: %p) stops the generation", async (stream) => {
    const { node, ollama } = await start({ tokensPerSecond: 20, tokens: 1000 });
    const caller = new AbortController();
    const answer = postExecute(node.url, job({ stream, options: {} }), { signal: caller.signal }).catch(() => null);
    await until("tokens flow", () => (ollama.executions[0]?.tokensSent ?? 0) > 2);
    caller.abort();
    await until("Ollama noticed", () => ollama.counters.aborted === 1);
    await answer;
    await idle(node, ollama);
  });

  test("at any moment leaves no slot taken", async () => {
    const { node, ollama } = await start(
      { tokensPerSecond: 200, firstTokenMs: 10, tokens: 10, parallel: 64 },
      { slots: 64 },
    );
    const callers = Array.from({ length: 64 }, async (_, index) => {
      const caller = new AbortController();
      setTimeout(() => caller.abort(), index);
      await postExecute(node.url, job({ options: {} }), { signal: caller.signal })
        .then((answer) => answer.text())
        .catch(() => null);
    });
    await Promise.all(callers);
    await idle(node, ollama);
  });
});

describe("an answer that breaks off", () => {
  test.each(["resetAfterBytes", "closeAfterBytes"] as const)(
    "is seen as a broken connection at every place (%s)",
    async (kind) => {
      const { node, ollama } = await start({ tokens: 3 });
      const whole = await (await postExecute(node.url, job({ options: {} }))).text();
      for (let bytes = 1; bytes < whole.length; bytes += 11) {
        ollama.fault({ kind, bytes });
        const answer = postExecute(node.url, job({ options: {} })).then((response) => response.text());
        const ended = await answer.then(
          (text) => `ended cleanly after ${text.length} bytes`,
          () => "broken",
        );
        expect(`${bytes}: ${ended}`).toBe(`${bytes}: broken`);
      }
      await idle(node, ollama);
    },
  );

  test.each(["resetBeforeResponse", "closeBeforeResponse"] as const)("before it began is a 502 (%s)", async (kind) => {
    const { node, ollama } = await start();
    ollama.fault({ kind });
    const answer = await postExecute(node.url, job());
    expect(answer.status).toBe(502);
    expect(await answer.json()).toEqual({ detail: "Ollama closed the connection before it answered" });
    await idle(node, ollama);
  });
});

describe("work the node hands back", () => {
  test("a request beyond the slots waits a second, then it is told busy", async () => {
    const { node, ollama } = await start({ firstTokenMs: 60_000 }, { slots: 1 });
    const caller = new AbortController();
    const first = postExecute(node.url, job(), { signal: caller.signal }).catch(() => null);
    await until("the slot is taken", () => ollama.counters.running === 1);
    const answer = await postExecute(node.url, job());
    expect(answer.status).toBe(503);
    expect(answer.headers.get(HEADERS.declined)).toBe("busy");
    expect(generations(ollama)).toBe(1);
    caller.abort();
    await first;
  });

  test("a slot that comes free within that second is used", async () => {
    const { node, ollama } = await start({ firstTokenMs: 60_000 }, { slots: 1 });
    const caller = new AbortController();
    const first = postExecute(node.url, job(), { signal: caller.signal }).catch(() => null);
    await until("the slot is taken", () => ollama.counters.running === 1);
    ollama.configure({ firstTokenMs: 0 });
    const second = postExecute(node.url, job());
    await Bun.sleep(50);
    caller.abort();
    expect((await second).status).toBe(200);
    await first;
  });

  test("without Ollama it says so at once, and /health says it too", async () => {
    const { node, ollama } = await start({}, { ollamaLookMs: 60_000 });
    await until("the node has looked", () => ollama.seen.some(({ path }) => path === "/api/ps"));
    ollama.refuse({ cut: true });
    const answer = await postExecute(node.url, job());
    expect(answer.status).toBe(503);
    expect(answer.headers.get(HEADERS.declined)).toBe("ollama_down");
    expect((await healthOf(node)).ollama).toMatchObject({ ok: false });
    await ollama.accept();
    expect((await postExecute(node.url, job())).status).toBe(200);
  });
});
