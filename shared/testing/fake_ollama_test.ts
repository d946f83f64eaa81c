// Tests of the stand-in Ollama's behaviour in time: slots, loads, clients that leave, and every fault.
import { afterEach, describe, expect, test } from "bun:test";
import {
  expectedText,
  type FakeFault,
  type FakeOllama,
  type FakeOllamaOptions,
  startFakeOllama,
} from "./fake_ollama.ts";
import { exchangeBytes, postBytes } from "./fake_ollama_wire.ts";

let ollama: FakeOllama;
afterEach(() => ollama.stop());

const start = async (options: FakeOllamaOptions = {}) => {
  ollama = await startFakeOllama(options);
};
const ask = (prompt: string, more: object = {}, silenceMs = 3000) =>
  exchangeBytes(ollama.port, postBytes("/api/generate", { model: "llama3", prompt, ...more }), silenceMs);
const textOf = (body: string) =>
  body
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).response ?? "")
    .join("");

/** Waits until `condition` holds; fails after two seconds. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 2000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never became true: ${condition}`);
    await Bun.sleep(1);
  }
}

/** Starts a request and returns the hand that hangs up on it. */
function askAndLeave(prompt: string): { leave(): void } {
  const controller = new AbortController();
  const body = JSON.stringify({ model: "llama3", prompt });
  fetch(`${ollama.url}/api/generate`, { method: "POST", body, signal: controller.signal })
    .then((response) => response.text())
    .catch(() => {});
  return { leave: () => controller.abort() };
}

describe("slots and loads", () => {
  test("requests beyond the slots wait, and the wait shows in total_duration only", async () => {
    await start({ parallel: 1, firstTokenMs: 60, tokens: 1 });
    const answers = await Promise.all([ask("a", { stream: false }), ask("b", { stream: false })]);
    const slower = answers
      .map((answer) => JSON.parse(answer.body))
      .toSorted((a, b) => b.total_duration - a.total_duration)[0];
    const { total_duration, load_duration = 0, prompt_eval_duration, eval_duration = 0 } = slower;
    expect((total_duration - load_duration - prompt_eval_duration - eval_duration) / 1e6).toBeGreaterThan(40);
    expect(ollama.counters).toMatchObject({ executions: 2, completed: 2, running: 0, waiting: 0, peakRunning: 1 });
  });

  test("tokens come at the given pace and eval_duration tells the truth", async () => {
    await start({ tokensPerSecond: 100, tokens: 11 });
    const final = JSON.parse((await ask("a")).chunks.at(-1) ?? "");
    expect(final.eval_duration / 1e6).toBeGreaterThan(95);
    expect(final.eval_duration / 1e6).toBeLessThan(1000);
  });

  test("a model not in memory is loaded once for all who wait, and load_duration says so", async () => {
    await start({ loaded: [], loadMs: 50 });
    const answers = await Promise.all([ask("a", { stream: false }), ask("b", { stream: false })]);
    for (const answer of answers) expect(JSON.parse(answer.body).load_duration / 1e6).toBeGreaterThan(45);
    expect(ollama.counters.loads).toBe(1);
  });

  test("a load whose request leaves begins again for the next one", async () => {
    await start({ loaded: [], loadMs: 500 });
    const first = askAndLeave("a");
    await until(() => ollama.counters.loads === 1);
    const second = ask("b");
    await until(() => ollama.counters.executions === 2);
    first.leave();
    expect((await second).complete).toBe(true);
    expect(ollama.counters).toMatchObject({ loads: 2, aborted: 1, completed: 1 });
  });

  test("more requests than maxQueue waiting for a load are told that the server is busy", async () => {
    await start({ loaded: [], loadMs: 100, maxQueue: 1 });
    const answers = await Promise.all(["a", "b", "c"].map((prompt) => ask(prompt)));
    const busy = answers.filter((answer) => answer.head.startsWith("HTTP/1.1 503 "));
    expect(busy.map((answer) => answer.body)).toEqual([
      '{"error":"server busy, please try again.  maximum pending requests exceeded"}',
    ]);
    expect(ollama.counters.executions).toBe(2);
  });

  test("keep_alive unloads the model when the last request has finished", async () => {
    await start();
    await ask("a", { keep_alive: "200ms" });
    const ps = async () => (await (await fetch(`${ollama.url}/api/ps`)).json()) as { models: unknown[] };
    expect((await ps()).models).toHaveLength(1);
    await Bun.sleep(300);
    expect((await ps()).models).toHaveLength(0);
  });

  test("a thousand streams at once all get their own whole answer", async () => {
    await start({ parallel: 1000, tokens: 20, tokensPerSecond: 100 });
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, index) => ask(`prompt ${index}`)));
    answers.forEach((answer, index) => {
      expect(textOf(answer.body)).toBe(expectedText(`prompt ${index}`, 0, 20));
    });
    expect(ollama.counters).toMatchObject({ completed: 1000, running: 0, aborted: 0 });
  });
});

describe("a client that leaves", () => {
  test("stops its generation between two tokens and frees the slot", async () => {
    await start({ parallel: 1, tokensPerSecond: 5, tokens: 1000 });
    const client = askAndLeave("a");
    await until(() => ollama.executions[0]?.tokensSent === 1);
    const left = performance.now();
    client.leave();
    await until(() => ollama.counters.aborted === 1);
    expect(ollama.executions[0]).toMatchObject({ outcome: "aborted", tokensSent: 1 });
    expect((ollama.executions[0]?.abortedAt ?? 0) - left).toBeLessThan(150);
    expect(ollama.counters.running).toBe(0);
  });

  test("gives up its place in the wait for a slot", async () => {
    await start({ parallel: 1, tokensPerSecond: 100 });
    const first = ask("a");
    await until(() => ollama.counters.running === 1);
    const second = askAndLeave("b");
    await until(() => ollama.counters.waiting === 1);
    second.leave();
    await until(() => ollama.counters.aborted === 1);
    expect((await first).complete).toBe(true);
    expect((await ask("c")).complete).toBe(true);
    expect(ollama.executions.map((execution) => execution.outcome)).toEqual(["completed", "aborted", "completed"]);
  });
});

describe("faults", () => {
  const payload = async () => Buffer.from((await ask("x", { options: { num_predict: 3 } })).body);

  for (const kind of ["resetAfterBytes", "closeAfterBytes", "closeCleanly"] as const) {
    for (const stream of [true, false]) {
      test(`${kind} cuts a ${stream ? "streamed" : "whole"} answer at any byte of its payload`, async () => {
        await start();
        for (const bytes of [0, 1, 60, 97, 98, 150]) {
          ollama.fault({ kind, bytes });
          const answer = await ask("x", { stream, options: { num_predict: 3 } });
          expect(answer.head).toStartWith("HTTP/1.1 200 OK");
          expect(Buffer.byteLength(answer.body)).toBe(bytes);
          expect(answer.complete).toBe(kind === "closeCleanly");
          expect(answer.ended).toBe(
            kind === "resetAfterBytes" ? "reset" : kind === "closeAfterBytes" ? "close" : "open",
          );
        }
        expect(ollama.executions.every((execution) => execution.outcome === "faulted")).toBe(true);
        expect((await payload()).length).toBeGreaterThan(200);
      });
    }
  }

  for (const stream of [true, false]) {
    const answers = stream ? "a streamed answer" : "a whole answer";

    test(`a reset or close before the response leaves ${answers} without a byte`, async () => {
      await start();
      ollama.fault({ kind: "resetBeforeResponse" });
      expect(await ask("x", { stream })).toMatchObject({ head: "", ended: "reset" });
      ollama.fault({ kind: "closeBeforeResponse" });
      expect(await ask("x", { stream })).toMatchObject({ head: "", ended: "close" });
    });

    test(`hanging ${answers} holds its slot until the client leaves`, async () => {
      await start({ tokens: 3 });
      const hang = async (fault: FakeFault) => {
        ollama.fault(fault);
        const answer = await ask("x", { stream }, 100);
        await until(() => ollama.executions.at(-1)?.outcome === "aborted");
        expect(answer).toMatchObject({ ended: "open", complete: false });
        return answer;
      };
      expect((await hang({ kind: "hangBeforeHeaders" })).head).toBe("");
      const headersOnly = await hang({ kind: "hangAfterHeaders" });
      expect(headersOnly.head).toStartWith("HTTP/1.1 200 OK");
      expect(headersOnly.body).toBe("");
      expect((await hang({ kind: "hangAfterTokens", tokens: 2 })).chunks).toHaveLength(stream ? 2 : 0);
      expect(ollama.counters).toMatchObject({ running: 0, aborted: 3 });
    }, 10_000);

    test(`an error or crash after two tokens ends ${answers} in Ollama's way`, async () => {
      await start();
      ollama.fault({ kind: "errorAfterTokens", tokens: 2 });
      const error = await ask("x", { stream });
      const line = '{"error":"an error was encountered while running the model: unexpected EOF"}';
      if (stream) expect(error.chunks.slice(2)).toEqual([`${line}\n`]);
      else expect(error.body).toBe(line);
      expect(error.head).toStartWith(stream ? "HTTP/1.1 200 " : "HTTP/1.1 500 ");
      expect(error.complete).toBe(true);
      ollama.fault({ kind: "runnerCrash", tokens: 1 });
      expect((await ask("x", { stream })).chunks.at(-1)).toContain('{"error":"llama-server process has terminated: ');
    });

    test(`a malformed line ends ${answers} with valid HTTP and broken JSON`, async () => {
      await start();
      ollama.fault({ kind: "malformedAfterTokens", tokens: 1 });
      const answer = await ask("x", { stream });
      expect(answer.complete).toBe(true);
      expect(() => JSON.parse(answer.chunks.at(-1) ?? "")).toThrow();
    });
  }

  test("an error before the first token has its real status, or is a line of a 200 in old versions", async () => {
    await start();
    ollama.fault({ kind: "errorAfterTokens", tokens: 0, times: 2 });
    const now = await ask("x");
    expect(now.head).toMatch(/^HTTP\/1.1 500 [\s\S]*\r\nContent-Type: application\/json\r\n/);
    ollama.configure({ version: "0.12.5" });
    const old = await ask("x");
    expect(old.head).toStartWith("HTTP/1.1 200 ");
    expect(old.chunks).toEqual([`${now.body}\n`]);
  });

  test("status, out of memory and crash faults refuse without running anything", async () => {
    await start();
    for (const status of [400, 404, 429, 500, 502, 503]) {
      ollama.fault({ kind: "status", status });
      const answer = await ask("x");
      expect(answer.head).toStartWith(`HTTP/1.1 ${status} `);
      expect(JSON.parse(answer.body).error).toBeString();
    }
    ollama.fault({ kind: "outOfMemory", needGiB: 20, haveGiB: 8 });
    expect((await ask("x")).body).toBe(
      '{"error":"model requires more system memory (20.0 GiB) than is available (8.0 GiB)"}',
    );
    ollama.fault({ kind: "runnerCrash" });
    expect((await ask("x")).body).toStartWith('{"error":"llama-server process has terminated: ');
    expect(ollama.counters.executions).toBe(0);
  });

  test("a slow fault adds its time to every token", async () => {
    await start({ tokens: 4 });
    ollama.fault({ kind: "slow", msPerToken: 20 });
    expect(JSON.parse((await ask("x")).chunks.at(-1) ?? "").eval_duration / 1e6).toBeGreaterThan(75);
  });

  test("faults hit only what they match, as often as asked", async () => {
    await start({ models: ["llama3", "qwen3"] });
    ollama.fault({ kind: "status", status: 500, times: 2, match: { model: "LLAMA3:latest", stream: false } });
    ollama.fault({ kind: "status", status: 502, match: { path: "/api/tags" } });
    expect((await ask("x", { model: "qwen3", stream: false })).head).toContain(" 200 ");
    expect((await ask("x")).head).toContain(" 200 ");
    const statuses = [];
    for (let time = 0; time < 3; time += 1) statuses.push((await ask("x", { stream: false })).head.slice(9, 12));
    expect(statuses).toEqual(["500", "500", "200"]);
    expect((await fetch(`${ollama.url}/api/tags`)).status).toBe(502);
    expect((await fetch(`${ollama.url}/api/tags`)).status).toBe(200);
  });

  test("refuse closes the port and accept opens the same one again", async () => {
    await start();
    ollama.refuse();
    await expect(ask("x")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await ollama.accept();
    expect((await ask("x")).complete).toBe(true);
    ollama.configure({ tokensPerSecond: 1 });
    const cut = ask("y");
    await until(() => ollama.executions[1]?.tokensSent === 1);
    ollama.refuse({ cut: true });
    expect((await cut).ended).toBe("reset");
  });

  test("stop resets what is open, twice as well as once", async () => {
    await start({ tokensPerSecond: 1 });
    const answer = ask("x");
    await until(() => ollama.executions[0]?.tokensSent === 1);
    await ollama.stop();
    await ollama.stop();
    expect((await answer).ended).toBe("reset");
    await until(() => ollama.counters.aborted === 1);
  });
});
