/** A hub as a process of its own against requests that mean harm, byte by byte: it says no, stays up, and runs nothing. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type FakeOllama, startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { HOSTILE_REQUESTS } from "../../shared/testing/fuzz/hostile_requests.ts";
import { sendRaw } from "../../shared/testing/fuzz/raw_client.ts";
import { type ProgramRun, runProgram } from "../../shared/testing/programs.ts";
import { eventually } from "../../shared/testing/start_hub.ts";
import { startNode, type TestNode } from "../../shared/testing/start_node.ts";

let hub: ProgramRun;
let ollama: FakeOllama;
let node: TestNode;
beforeAll(async () => {
  hub = await runProgram("hub", "source", { PORT: "0", LOG_LEVEL: "INFO" });
  ollama = await startFakeOllama({ models: ["llama3"] });
  node = await startNode({ nodeId: "a", serverUrl: `http://127.0.0.1:${hub.port}`, ollamaUrl: ollama.url });
  await eventually(async () => expect(await good()).toBe(200));
}, 30_000);
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await node.stop();
  await ollama.stop();
});

async function good(): Promise<number> {
  const body = JSON.stringify({ model: "llama3", messages: [{ role: "user", content: "good" }], stream: false });
  const answer = await fetch(`http://127.0.0.1:${hub.port}/api/chat`, { method: "POST", body });
  await answer.text();
  return answer.status;
}

/** Megabytes of memory the hub has now. */
function memory(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${hub.pid}/status`, "utf8"))?.[1]) / 1024;
}

for (const { name, bytes, right } of HOSTILE_REQUESTS) {
  test(`${name}: refused, nothing run, and the next request is served`, async () => {
    const before = ollama.executions.length;
    const { status, text } = await sendRaw(hub.port, bytes, right.includes(null) ? 150 : 3_000);
    expect([name, status, text.slice(0, 200), right.includes(status)]).toEqual([
      name,
      status,
      text.slice(0, 200),
      true,
    ]);
    expect(text).not.toMatch(/^x-evil/im);
    expect(ollama.executions.length).toBe(before);
    expect(await good()).toBe(200);
  });
}

test.skipIf(process.platform !== "linux")(
  "all of them ten times over leave at most 20 MB behind",
  async () => {
    // A few at a time: a hundred connections made at once the kernel itself keeps waiting.
    const round = async () => {
      const left = [...HOSTILE_REQUESTS];
      const lane = async () => {
        for (let next = left.pop(); next; next = left.pop()) await sendRaw(hub.port, next.bytes, 60);
      };
      await Promise.all(Array.from({ length: 8 }, lane));
    };
    for (let warm = 0; warm < 5; warm++) await round();
    const before = memory();
    for (let count = 0; count < 10; count++) await round();
    await eventually(() => expect(memory() - before).toBeLessThanOrEqual(20));
    console.log(
      `  memory: ${before.toFixed(0)} MB before, ${memory().toFixed(0)} MB after ${10 * HOSTILE_REQUESTS.length} of them`,
    );
    expect(await good()).toBe(200);
    expect(hub.errors()).toBe("");
    expect(hub.lines.filter((line) => /unhandled|uncaught|unexpected error/.test(line))).toEqual([]);
  },
  30_000,
);
