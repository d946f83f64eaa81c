import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "../shared/clock.ts";
import { createFleetFetch } from "../shared/fleet_fetch.ts";
import { silentLogger } from "../shared/log.ts";
import { exchangeBytes } from "../shared/testing/fake_ollama_wire.ts";
import { createOllamaClient } from "./ollama.ts";
import { createPassOn } from "./pass_on.ts";
import { startSlowOllama } from "./testing/slow_ollama.ts";
import { until } from "./testing/until.ts";

const toEnd: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

/** A server that passes everything on as a pull, and writes down the limits it is told. */
async function start() {
  const ollama = await startSlowOllama();
  const limits: number[] = [];
  const passOn = createPassOn({
    ollama: createOllamaClient(ollama.url, createFleetFetch()),
    isDraining: () => false,
    onRefused: () => {},
    onAnswered: () => {},
    onManaged: () => {},
    bodyLimit: 2 ** 20,
    clock: systemClock,
    log: silentLogger,
  });
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 4,
    development: false,
    fetch: (request, server) => {
      const setIdleTimeout = (seconds: number) => {
        limits.push(seconds);
        server.timeout(request, seconds);
      };
      const passage = { kind: "management", method: "POST", target: "/api/pull", headers: {} } as const;
      return passOn.handle({ request, requestId: "r", bodyHash: null, setIdleTimeout }, passage);
    },
  });
  toEnd.push(() => server.stop(true), ollama.stop);
  return { ollama, limits, port: server.port ?? 0 };
}

const head = "POST /api/pull HTTP/1.1\r\nHost: n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe("the limit for silent connections", () => {
  test.each([
    ["of known length", `${head}Content-Length: 4\r\n\r\nbody`],
    ["in chunks", `${head}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`],
  ])("guards a body %s, is lifted for Ollama, and back at the end", async (_name, bytes) => {
    const { ollama, limits, port } = await start();
    const answer = exchangeBytes(port, bytes, 10_000);
    await until("Ollama has the request", () => ollama.heads.length === 1);
    await until("the limit is lifted", () => limits.at(-1) === 0);
    expect(new Set(limits.slice(0, -1))).toEqual(new Set([240]));
    ollama.answer(OK);
    expect((await answer).body).toBe("ok");
    expect(limits.at(-1)).toBe(120);
  });

  test("is lifted at once where there is no body, and a silence of 10 s does not cut", async () => {
    const { ollama, limits, port } = await start();
    const answer = exchangeBytes(port, `${head}Content-Length: 0\r\n\r\n`, 20_000);
    await until("Ollama has the request", () => ollama.heads.length === 1);
    expect(limits).toEqual([0]);
    await Bun.sleep(10_000);
    ollama.answer(OK);
    expect((await answer).body).toBe("ok");
    expect(limits).toEqual([0, 120]);
  }, 20_000);

  test("stays what it is at the end when Ollama does not want the rest of a body", async () => {
    const { ollama, limits, port } = await start();
    const answer = exchangeBytes(port, `${head}Content-Length: 400000\r\n\r\n${"x".repeat(200_000)}`, 10_000);
    await until("Ollama has the request", () => ollama.heads.length === 1);
    ollama.answer(OK);
    expect((await answer).body).toBe("ok");
    await Bun.sleep(50);
    expect(limits.at(-1)).toBe(120);
  });
});
