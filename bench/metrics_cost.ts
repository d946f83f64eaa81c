/** What counting for Prometheus costs: a hub that counts beside one that does not, the counting alone, and a scrape. */
import { readHubConfig } from "../hub/config.ts";
import { startHub } from "../hub/hub.ts";
import { createHubMetrics, type HubMetricsDeps } from "../hub/observe/metrics.ts";
import { createRegistry } from "../hub/registry.ts";
import { createRequestLog } from "../hub/request_log.ts";
import { systemClock } from "../shared/clock.ts";
import { silentLogger } from "../shared/log.ts";
import { heartbeat } from "../shared/protocol.ts";

const PAIRS = 7;
/** Turns of each hub in a pair, and requests of a turn: short, so that what else the machine does falls on both. */
const TURNS = 20;
const REQUESTS = 300;
const CONNECTIONS = 32;
const NODES = 10;
const MODELS = 20;
const LIVENESS = { staleMs: 60_000, expiredMs: 90_000, goneMs: 180_000 };

if (process.argv[2] === "hub") runHub();
else await main();

/** This process as a hub: it tells its parent its port, then counts or not as it is told, and answers with its time. */
function runHub(): void {
  let counts = true;
  const config = readHubConfig({ PORT: "0", HUB_HOST: "127.0.0.1" });
  const hub = startHub(config, { log: silentLogger, countsRequests: () => counts });
  process.on("message", (told) => {
    counts = told === "count";
    process.send?.(process.cpuUsage());
  });
  process.send?.({ port: hub.server.port });
}

async function main(): Promise<void> {
  alone();
  for (const nodes of [10, 1_000, 10_000]) await scrape(nodes);
  await beside();
  process.exit(0);
}

/** Microseconds of one finished request in the counting itself. */
function alone(): void {
  const { metrics, registry } = fleetOf(NODES);
  let kept: Parameters<typeof metrics.finished> | null = null;
  const log = createRequestLog({
    clock: systemClock,
    keepPrompts: false,
    onFinish: (...ended) => {
      kept = ended;
    },
  });
  const [node] = registry.all();
  const start = { requestId: "r", clientIp: "::1", endpoint: "/api/chat", method: "POST", model: "m3", json: null };
  const record = log.begin({ ...start, stream: true, generates: true });
  const attempt = { node_id: node?.id ?? "", ip_version: null, node_url: null, outcome: "ok", error: null };
  record.attempted({ ...attempt, duration_ms: 1 });
  record.firstByte();
  record.tokens(20, 100);
  record.finish({ status: 200, error: null });
  if (!kept) throw new Error("no record");
  const times = Array.from({ length: PAIRS }, () => {
    const began = performance.now();
    for (let round = 0; round < 100_000; round++) metrics.finished(...(kept as Parameters<typeof metrics.finished>));
    return (performance.now() - began) / 100;
  });
  console.log(`counting one request: ${spread(times)} µs`);
  metrics.stop();
}

/** Milliseconds of one scrape of a hub with `count` nodes, and the longest time for which it lets nothing else run. */
async function scrape(count: number): Promise<void> {
  const { metrics } = fleetOf(count);
  const took: number[] = [];
  let bytes = 0;
  let held = 0;
  for (let round = 0; round < PAIRS; round++) {
    let last = performance.now();
    const ticking = setInterval(() => {
      held = Math.max(held, performance.now() - last - 1);
      last = performance.now();
    }, 1);
    const began = performance.now();
    bytes = (await metrics.text()).length;
    took.push(performance.now() - began);
    await Bun.sleep(2);
    clearInterval(ticking);
  }
  console.log(
    `a scrape at ${count} nodes: ${spread(took)} ms, ${bytes} bytes, others wait up to ${held.toFixed(1)} ms`,
  );
  metrics.stop();
}

function fleetOf(nodes: number) {
  const clock = systemClock;
  const registry = createRegistry({ clock, liveness: LIVENESS, ejection: { maxFailures: 3 }, ipPreference: "ipv6" });
  for (let index = 0; index < nodes; index++) registry.heartbeat(heartbeat.parse(beatOf(`node-${index}`, 8001)), null);
  const nothing = { waitingRoom: { length: 0, size: 512 }, live: { listeners: 0 }, bodyBudget: { taken: 0, size: 1 } };
  const requestLog = { running: () => new Set() };
  const deps = { clock, registry, liveness: LIVENESS, requestLog, ...nothing } as unknown as HubMetricsDeps;
  return { registry, metrics: createHubMetrics(deps) };
}

function beatOf(node_id: string, port: number) {
  const models = Array.from({ length: MODELS }, (_, index) => `m${index}`);
  return {
    node_id,
    ipv4: "127.0.0.1",
    port,
    models,
    loaded: models,
    metadata: {},
    slots: 8,
    agent_version: "1",
    capabilities: ["execute", "ollama"],
  };
}

interface HubProcess {
  readonly url: string;
  /** From now on it counts requests, or not. Its processor time so far, microseconds. */
  switchTo(kind: Kind): Promise<number>;
  end(): void;
}

type Kind = "count" | "do not";

/** Time a request of a hub that counts by the same hub not counting, with the same load in turns. */
async function beside(): Promise<void> {
  const nodes = Array.from({ length: NODES }, (_, index) => startNode(`node-${index}`));
  const hub = await startProcess();
  const pairs: Record<Kind, { cpu: number; wall: number }>[] = [];

  /** Adds the microseconds a request takes to `sum`. */
  async function turn(kind: Kind, sum: { cpu: number; wall: number }): Promise<void> {
    const before = await hub.switchTo(kind);
    const began = performance.now();
    let left = REQUESTS;
    const client = async () => {
      while (left-- > 0) await post(`${hub.url}/api/generate`, { model: `m${left % MODELS}`, prompt: "why" });
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, client));
    sum.wall += ((performance.now() - began) * 1000) / REQUESTS / TURNS;
    sum.cpu += ((await hub.switchTo(kind)) - before) / REQUESTS / TURNS;
  }

  for (let pair = -1; pair < PAIRS; pair++) {
    for (const { id, port } of nodes) await post(`${hub.url}/nodes/heartbeat`, beatOf(id, port));
    const sums = { count: { cpu: 0, wall: 0 }, "do not": { cpu: 0, wall: 0 } };
    for (let each = 0; each < TURNS; each++) {
      const order: readonly Kind[] = each % 2 === 0 ? ["count", "do not"] : ["do not", "count"];
      for (const kind of order) await turn(kind, sums[kind]);
    }
    // The first pair warms up.
    if (pair >= 0) pairs.push(sums);
  }
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  if (!text.includes(`result="ok"} ${(PAIRS + 1) * TURNS * REQUESTS}\n`))
    throw new Error("not every request was counted");
  const of = (read: (pair: (typeof pairs)[number]) => number) => spread(pairs.map(read));
  console.log(
    `${PAIRS} pairs of ${TURNS} turns of ${REQUESTS} requests over ${CONNECTIONS} connections, ${NODES} nodes × ${MODELS} models\n` +
      `processor time a request: ${of((pair) => pair.count.cpu)} µs counting, ${of((pair) => pair["do not"].cpu)} µs not\n` +
      `counting by not: processor ${of((pair) => pair.count.cpu / pair["do not"].cpu)}, ` +
      `wall ${of((pair) => pair.count.wall / pair["do not"].wall)}`,
  );
  hub.end();
}

function startProcess(): Promise<HubProcess> {
  return new Promise((resolve) => {
    let answer = (_: number) => {};
    const child = Bun.spawn([process.execPath, import.meta.path, "hub"], {
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: "65535" },
      ipc(message: { port?: number; user: number; system: number }) {
        if (message.port === undefined) return answer(message.user + message.system);
        const switchTo = (kind: Kind) =>
          new Promise<number>((told) => {
            answer = told;
            child.send(kind);
          });
        resolve({ url: `http://127.0.0.1:${message.port}`, switchTo, end: () => child.kill() });
      },
    });
  });
}

/** A node that answers at once: the hub is what takes time here. */
function startNode(id: string): { readonly id: string; readonly port: number } {
  const answer =
    `{"model":"m","created_at":"2026-01-01T00:00:00Z","response":"a","done":false}\n` +
    `{"model":"m","created_at":"2026-01-01T00:00:00Z","response":"","done":true,"done_reason":"stop",` +
    `"prompt_eval_count":20,"eval_count":100,"total_duration":1,"load_duration":0,"eval_duration":1}\n`;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/health") return Response.json({ status: "ok", node_id: id });
      await request.arrayBuffer();
      return new Response(answer, { headers: { "content-type": "application/x-ndjson", "x-node-id": id } });
    },
  });
  return { id, port: server.port ?? 0 };
}

async function post(url: string, body: object): Promise<void> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
}

/** Median with min–max. */
function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => (sorted[index] ?? Number.NaN).toFixed(3);
  return `${at(sorted.length >> 1)} (${at(0)}–${at(sorted.length - 1)})`;
}
