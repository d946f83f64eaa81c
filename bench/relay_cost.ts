/** What a token costs on its way through hub and node: delay and processor time per chunk, each route beside `/jobs`. */
import { readFileSync } from "node:fs";
import { startFakeOllama } from "../shared/testing/fake_ollama.ts";
import { runProgram } from "../shared/testing/programs.ts";

/** Streams at once, tokens of each, tokens a second of each: about as many as four machines with a GPU give. */
const STREAMS = 40;
const TOKENS = 150;
const RATE = 50;
const ROUNDS = 3;
/** The kernel's unit of processor time: 1/100 s. */
const TICK_US = 10_000;

const messages = [{ role: "user", content: "hi" }];
const ROUTES: Readonly<Record<string, object>> = {
  "/jobs": { prompt: "hi", options: { num_predict: TOKENS } },
  "/api/generate": { prompt: "hi", options: { num_predict: TOKENS } },
  "/api/chat": { messages, options: { num_predict: TOKENS } },
  "/v1/chat/completions": { messages, max_tokens: TOKENS },
  "/v1/responses": { input: "hi", max_output_tokens: TOKENS },
  "/v1/messages": { messages, max_tokens: TOKENS },
};

// Every token says when it was written. Client and stand-in share this process, so they share a clock.
const ollama = await startFakeOllama({
  tokens: TOKENS,
  tokensPerSecond: RATE,
  parallel: STREAMS,
  speak: () => ` @${performance.now()}@`,
});
await using hub = await runProgram("hub", "source", { PORT: "0", LOG_LEVEL: "INFO" });
await using node = await runProgram("node", "source", {
  NODE_PORT: "0",
  NODE_SLOTS: String(STREAMS),
  SERVER_URL: `http://127.0.0.1:${hub.port}`,
  OLLAMA_BASE_URL: ollama.url,
  ADVERTISE_IPV4: "127.0.0.1",
  ADVERTISE_IPV6: "none",
});

interface Cost {
  /** Milliseconds from the stand-in to the client. */
  readonly delays: number[];
  /** Processor time, microseconds. */
  hubUs: number;
  nodeUs: number;
}

/** Asked without hub and node, for what the stand-in and the client themselves take. */
const DIRECT = "/api/generate";
const HUB = `http://127.0.0.1:${hub.port}`;

const direct: number[] = [];
const costs = new Map<string, Cost>();
for (const path of Object.keys(ROUTES)) costs.set(path, { delays: [], hubUs: 0, nodeUs: 0 });

await untilServed();
for (let round = 0; round < ROUNDS; round++) {
  await readStreams(ollama.url, DIRECT, ROUTES[DIRECT] ?? {}, direct);
  for (const [path, body] of Object.entries(ROUTES)) await measure(path, body);
}
report();
await ollama.stop();

async function untilServed(): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const response = await ask(HUB, "/api/chat", { messages, options: { num_predict: 1 } });
    await response.text();
    if (response.ok) return;
    await Bun.sleep(100);
  }
  throw new Error("the node did not join");
}

function ask(base: string, path: string, body: object): Promise<Response> {
  return fetch(base + path, { method: "POST", body: JSON.stringify({ model: "llama3", stream: true, ...body }) });
}

async function measure(path: string, body: object): Promise<void> {
  const cost = costs.get(path);
  if (!cost) throw new Error(path);
  const before = [processorUs(hub.pid), processorUs(node.pid)] as const;
  await readStreams(HUB, path, body, cost.delays);
  cost.hubUs += processorUs(hub.pid) - before[0];
  cost.nodeUs += processorUs(node.pid) - before[1];
}

async function readStreams(base: string, path: string, body: object, delays: number[]): Promise<void> {
  await Promise.all(Array.from({ length: STREAMS }, () => readStream(base, path, body, delays)));
}

async function readStream(base: string, path: string, body: object, delays: number[]): Promise<void> {
  const response = await ask(base, path, body);
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    const now = performance.now();
    // The text comes again, whole, at the end of some streams: only what was written just now counts.
    const [, written] = /@([\d.]+)@/.exec(decoder.decode(piece)) ?? [];
    if (written !== undefined && now - Number(written) < 1000) delays.push(now - Number(written));
  }
}

/** Processor time that process `pid` has used, microseconds. */
function processorUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

function report(): void {
  direct.sort((a, b) => a - b);
  console.log(
    `${STREAMS} streams, ${RATE} tokens/s each, ${ROUNDS} rounds of ${TOKENS} tokens; ratio to /jobs in brackets`,
  );
  console.log(
    "| route | chunks | added p50 ms | p99 ms from token to client | hub µs a chunk | node µs a chunk |\n|---|---|---|---|---|---|",
  );
  const rows = Array.from(costs, ([path, { delays, hubUs, nodeUs }]) => {
    delays.sort((a, b) => a - b);
    const chunks = ROUNDS * STREAMS * TOKENS;
    const added = quantile(delays, 0.5) - quantile(direct, 0.5);
    return { path, seen: delays.length, figures: [added, quantile(delays, 0.99), hubUs / chunks, nodeUs / chunks] };
  });
  for (const { path, seen, figures } of rows) {
    const cells = figures.map(
      (figure, at) => `${figure.toFixed(2)} (${(figure / (rows[0]?.figures[at] ?? 1)).toFixed(2)})`,
    );
    console.log(`| ${[path, seen, ...cells].join(" | ")} |`);
  }
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
}
