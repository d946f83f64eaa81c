/** Many large bodies at a time, against the hub as a program: what is held is bounded, and given back however it ends. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { type ProgramRun, runProgram } from "../../shared/testing/programs.ts";
import { eventually } from "../../shared/testing/start_hub.ts";
import { startNode } from "../../shared/testing/start_node.ts";
import type { describeQueue } from "./queue.ts";

const MB = 1_000_000;
const BUDGET = 60 * MB;
const BODY = 15 * MB;

/** A hub with room for four bodies, and one node whose only slot is taken until it is stopped. */
async function busyHub() {
  const stack = new AsyncDisposableStack();
  const hub = stack.use(await runProgram("hub", "source", { PORT: "0", MAX_BODY_MB: "20", MAX_BUFFERED_MB: "60" }));
  const url = `http://127.0.0.1:${hub.port}`;
  const ollama = await startFakeOllama({ models: ["llama3:latest"], loaded: ["llama3:latest"], tokensPerSecond: 10 });
  stack.defer(() => ollama.stop());
  const node = await startNode({ nodeId: "a", serverUrl: url, ollamaUrl: ollama.url, slots: 1 });
  stack.defer(() => node.stop());
  await eventually(async () => {
    const [first] = (await (await fetch(`${url}/nodes`)).json()) as { loaded: string[] }[];
    expect(first?.loaded).toHaveLength(1);
  });
  const blocker = new AbortController();
  const post = (path: string, body: string | Uint8Array | ReadableStream, signal?: AbortSignal) =>
    fetch(url + path, { method: "POST", body, ...(signal ? { signal } : {}) });
  const endless = JSON.stringify({ model: "llama3", prompt: "hi", options: { num_predict: 10_000 } });
  const running = await post("/api/generate", endless, blocker.signal);
  const state = async () => (await (await fetch(`${url}/queue`)).json()) as ReturnType<typeof describeQueue>;
  return {
    hub,
    url,
    post,
    state,
    async endBlocker() {
      blocker.abort();
      await running.text().catch(() => {});
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function memory({ pid }: ProgramRun, field: "VmRSS" | "VmHWM"): number {
  const kilobytes = new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

const large = Buffer.from(JSON.stringify({ model: "llama3", prompt: "x".repeat(BODY), options: { num_predict: 1 } }));
const inChunks = () =>
  new ReadableStream({
    start(controller) {
      for (let at = 0; at < large.byteLength; at += MB) controller.enqueue(large.subarray(at, at + MB));
      controller.close();
    },
  });

test.skipIf(process.platform !== "linux")(
  "of twenty large bodies those wait that fit, the rest is refused at once, and memory stays within a few budgets",
  async () => {
    await using busy = await busyHub();
    const idle = memory(busy.hub, "VmRSS");
    const leaving = new AbortController();
    const paths = ["/jobs", "/api/generate", "/api/chat", "/v1/chat/completions"];
    const answers: Response[] = [];
    const sent = Array.from({ length: 20 }, async (_, index) => {
      const path = paths[index % paths.length] ?? "/jobs";
      answers.push(await busy.post(path, index % 2 ? inChunks() : large, leaving.signal));
    });
    for (const each of sent) each.catch(() => {});
    // Four fit; of those in chunks more may have begun, and each took from the other: none of them needs to fit then.
    await eventually(async () => {
      const { waiting } = await busy.state();
      expect(answers.length + waiting).toBe(20);
    });
    const { waiting, bodies } = await busy.state();
    expect(waiting).toBeWithin(1, 5);
    expect(bodies.held).toBeLessThanOrEqual(BUDGET);
    for (const answer of answers) {
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
      expect(await answer.text()).toMatch(/^\{"(detail|error)":.*\(MAX_BUFFERED_MB\)/);
    }
    expect(memory(busy.hub, "VmHWM") - idle).toBeLessThan(5 * BUDGET);

    // A question beside them waits like any other.
    const question = busy.post("/api/generate", JSON.stringify({ model: "llama3", prompt: "hi" }), leaving.signal);
    question.catch(() => {});
    await eventually(async () => expect((await busy.state()).waiting).toBe(waiting + 1));
    leaving.abort();
    // Whoever leaves the room takes its body with it; there remains the one request that runs.
    await eventually(async () => expect((await busy.state()).waiting).toBe(0));
    expect((await busy.state()).bodies.held).toBeWithin(1, 1000);
    const again = busy.post("/jobs", large);
    again.catch(() => {});
    await eventually(async () => expect((await busy.state()).waiting).toBe(1));
    await busy.endBlocker();
    expect((await again).status).toBe(200);
    await (await again).text();
    await eventually(async () => expect((await busy.state()).bodies.held).toBe(0));
  },
  60_000,
);

test("a body that does not fit is refused before any of it was sent, and one in chunks when it no longer fits", async () => {
  await using busy = await busyHub();
  const leaving = new AbortController();
  const held = Array.from({ length: 3 }, () => busy.post("/jobs", large, leaving.signal));
  for (const each of held) each.catch(() => {});
  await eventually(async () => expect((await busy.state()).waiting).toBe(3));
  for (const [path, framing, sent] of [
    ["/api/pull", "Content-Length: 19000000", ""],
    ["/v1/messages", "Content-Length: 19000000", "{"],
    ["/api/generate", "Transfer-Encoding: chunked", `1121340\r\n${" ".repeat(0x1121340)}\r\n`],
  ] as const) {
    let answer = "";
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: busy.hub.port,
      socket: {
        data(_, data) {
          answer += data.toString();
        },
        drain: (socket) => push(socket),
      },
    });
    let rest: Uint8Array = Buffer.from(`POST ${path} HTTP/1.1\r\nHost: hub\r\n${framing}\r\n\r\n${sent}`);
    function push(to: Bun.Socket<undefined>) {
      rest = rest.subarray(to.write(rest));
    }
    push(socket);
    await eventually(() => expect(answer).toContain("(MAX_BUFFERED_MB)"));
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).toMatch(/retry-after: 5\r\n/i);
    socket.terminate();
  }
  expect((await busy.state()).bodies.held).toBeLessThan(3 * BODY + 1000);
  leaving.abort();
  await busy.endBlocker();
  await eventually(async () => expect((await busy.state()).bodies.held).toBe(0));
});

test("a client that breaks off in the middle of its body gives back what it took", async () => {
  await using busy = await busyHub();
  const before = (await busy.state()).bodies.held;
  const socket = await Bun.connect({ hostname: "127.0.0.1", port: busy.hub.port, socket: { data() {} } });
  socket.write("POST /jobs HTTP/1.1\r\nHost: hub\r\nContent-Length: 9000000\r\n\r\n{");
  await eventually(async () => expect((await busy.state()).bodies.held).toBe(before + 9 * MB));
  socket.terminate();
  await eventually(async () => expect((await busy.state()).bodies.held).toBe(before));
  await busy.endBlocker();
});

test.skipIf(process.platform !== "linux").each([
  ["with a length", () => large],
  ["in chunks", inChunks],
])(
  "many large bodies %s one after another take no more memory than a few: each is freed when its request ends",
  async (_, body) => {
    await using busy = await busyHub();
    await busy.endBlocker();
    const idle = memory(busy.hub, "VmRSS");
    for (let sent = 0; sent < 40; sent++) {
      const answer = await busy.post("/api/generate", body());
      expect(await answer.text()).toContain('"done":true');
    }
    expect(memory(busy.hub, "VmHWM") - idle).toBeLessThan(6 * BODY);
  },
  60_000,
);
