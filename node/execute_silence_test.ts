import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "../shared/clock.ts";
import { createFleetFetch } from "../shared/fleet_fetch.ts";
import { silentLogger } from "../shared/log.ts";
import { expectedText, type FakeOllamaOptions, startFakeOllama } from "../shared/testing/fake_ollama.ts";
import { createNodeApp } from "./app.ts";
import { createExecute } from "./execute.ts";
import { createOllamaClient } from "./ollama.ts";
import { createSlots } from "./slots.ts";
import { healthOf, job, postExecute, startNodeWithOllama, wholeText } from "./testing/node_with_ollama.ts";
import { until } from "./testing/until.ts";

const toEnd: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

async function start(options: FakeOllamaOptions) {
  const both = await startNodeWithOllama(options);
  toEnd.push(both.stop);
  return both;
}

describe("a silent model", () => {
  test("is named as loading until its first byte", async () => {
    const { node, ollama } = await start({ loaded: [], loadMs: 1600 });
    const answer = postExecute(node.url, job());
    await until("the load began", () => ollama.counters.loads === 1);
    expect((await healthOf(node)).loading).toEqual([]);
    await Bun.sleep(1100);
    expect(await healthOf(node)).toMatchObject({ running: 1, loading: ["llama3"] });
    expect((await answer).status).toBe(200);
    expect((await healthOf(node)).loading).toEqual([]);
  });

  test("that is in memory and only slow is not", async () => {
    const { node, ollama } = await start({ firstTokenMs: 60_000 });
    const caller = new AbortController();
    const answer = postExecute(node.url, job(), { signal: caller.signal }).catch(() => null);
    await until("the slot is taken", () => ollama.counters.running === 1);
    await Bun.sleep(1100);
    expect((await healthOf(node)).loading).toEqual([]);
    caller.abort();
    await answer;
  });

  // Scaled: a server that cuts silent streams after 4 s instead of 30, and silences of 6.5 s instead of 45.
  test("outlasts the limit for silent connections, before the first token and between two", async () => {
    const silenceMs = 6500;
    const ollama = await startFakeOllama({ firstTokenMs: silenceMs, tokensPerSecond: 1000 / silenceMs });
    const execute = createExecute({
      ollama: createOllamaClient(ollama.url, createFleetFetch()),
      slots: createSlots({ size: 4, waitMs: 1000, clock: systemClock }),
      isDraining: () => false,
      bodyLimit: 2 ** 20,
      onRefused: () => {},
      onAnswered: () => {},
      clock: systemClock,
      log: silentLogger,
    });
    const app = createNodeApp({
      nodeId: "n",
      execute,
      ollamaFace: () => new Response(null, { status: 404 }),
      gate: () => ({ kind: "admitted", bodyHash: null }),
      health: () => ({ status: "ok", node_id: "n" }),
      metrics: { text: async () => "" },
      log: silentLogger,
    });
    const impatient = { port: 0, hostname: "127.0.0.1", idleTimeout: 4, development: false };
    const server = Bun.serve({ ...impatient, fetch: app });
    const control = Bun.serve({
      ...impatient,
      fetch: () =>
        new Response(
          new ReadableStream({
            async pull(controller) {
              await Bun.sleep(2 * silenceMs);
              controller.close();
            },
          }),
        ),
    });
    toEnd.push(
      () => server.stop(true),
      () => control.stop(true),
      ollama.stop,
    );
    const send = (port: number | undefined) =>
      postExecute(`http://127.0.0.1:${port}`, job({ options: { seed: 7, num_predict: 2 } })).then((answer) =>
        answer.text(),
      );
    const [patient, cut] = await Promise.allSettled([send(server.port), send(control.port)]);
    expect(cut.status).toBe("rejected");
    expect(patient.status === "fulfilled" && wholeText(patient.value)).toBe(expectedText("why", 7, 2));
  }, 40_000);
});
