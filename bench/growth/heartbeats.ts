/** How many heartbeats a hub takes while streams run through it, and what the streams notice of them. */
import { runProgram } from "../../shared/testing/programs.ts";
import { startBlaster } from "./blaster.ts";
import { MODELS } from "./fleet.ts";
import { median, percentile, type Row } from "./table.ts";

const STREAMS = 100;
const CHUNKS_PER_SECOND = 20;
const NODES = 500;
const SECONDS = 3;
const RATE = 5_000;
const TURNS = 2;

export async function heartbeats(): Promise<Row[]> {
  await using hub = await runProgram("hub", "source", { PORT: "0", LOG_LEVEL: "INFO", SOURCE_CONCURRENT: "0" });
  using node = startStreamingNode();
  const base = `http://127.0.0.1:${hub.port}`;
  const joined = await fetch(`${base}/nodes/heartbeat`, { method: "POST", body: JSON.stringify(node.heartbeat) });
  if (!joined.ok) throw new Error(await joined.text());
  const hubBootId = joined.headers.get("x-hub-boot-id") ?? "";
  const delays: number[] = [];
  const stop = new AbortController();
  const streams = Promise.allSettled(Array.from({ length: STREAMS }, () => read(base, delays, stop.signal)));
  await Bun.sleep(1_000);
  const blast = { port: hub.port, nodes: NODES, ms: SECONDS * 1_000 };
  const p99 = { none: [] as number[], bare: [] as number[], signed: [] as number[] };
  const rates = { bare: [] as number[], signed: [] as number[] };
  const beside = async (kind: "bare" | "signed", rate: number | null) => {
    const count = Math.ceil((rate ?? 10_000) * SECONDS);
    const { ready, ended } = startBlaster({ ...blast, count, rate, hubBootId: kind === "signed" ? hubBootId : null });
    await ready;
    delays.length = 0;
    const { accepted, refused, ms } = await ended;
    if (refused > 0) throw new Error(`${refused} heartbeats were refused`);
    if (rate === null) rates[kind].push((accepted * 1_000) / ms);
    else p99[kind].push(percentile(delays, 0.99));
  };
  for (let turn = 0; turn < TURNS; turn++) {
    delays.length = 0;
    await Bun.sleep(SECONDS * 1_000);
    p99.none.push(percentile(delays, 0.99));
    for (const kind of ["bare", "signed"] as const) await beside(kind, RATE);
    for (const kind of ["bare", "signed"] as const) await beside(kind, null);
  }
  stop.abort();
  node.stop();
  await streams;
  const streaming = `${STREAMS} streams of ${CHUNKS_PER_SECOND} chunks a second`;
  return [
    { what: "unsigned heartbeats taken beside them", value: median(rates.bare), unit: "/s", target: [">=", RATE] },
    { what: "signed heartbeats taken beside them", value: median(rates.signed), unit: "/s", target: [">=", RATE] },
    { what: `${streaming}: delay of a chunk, p99`, value: median(p99.none), unit: "ms" },
    { what: `the same beside ${RATE} unsigned heartbeats a second`, value: median(p99.bare), unit: "ms" },
    { what: `the same beside ${RATE} signed ones`, value: median(p99.signed), unit: "ms" },
  ];
}

/** Takes in one stream and notes how old each chunk is. Client and node are this process, so they share a clock. */
async function read(base: string, delays: number[], signal: AbortSignal): Promise<void> {
  const response = await fetch(`${base}/api/generate`, {
    method: "POST",
    body: JSON.stringify({ model: "streamed", prompt: "" }),
    signal,
  });
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    const now = performance.now();
    for (const [, at] of decoder.decode(piece).matchAll(/@([\d.]+)@/g)) delays.push(now - Number(at));
  }
}

/** A node on a bare socket that streams until it is stopped. */
function startStreamingNode() {
  const sockets = new Set<Bun.Socket<undefined>>();
  const server = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, data) {
        const text = data.toString("latin1");
        if (text.startsWith("GET ")) {
          const body = JSON.stringify({
            status: "ok",
            node_id: "streaming",
            boot_id: "streaming",
            ollama: { ok: true },
          });
          socket.write(
            `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
          );
        } else if (text.includes("POST ")) {
          socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n");
          sockets.add(socket);
        }
      },
      close: (socket) => void sockets.delete(socket),
      error() {},
    },
  });
  let turn = 0;
  // In turn, not all in the same instant: each of them so many times a second.
  const ticking = setInterval(() => {
    turn++;
    let index = 0;
    for (const socket of sockets) {
      if (index++ % (1_000 / CHUNKS_PER_SECOND / TICK_MS) !== turn % (1_000 / CHUNKS_PER_SECOND / TICK_MS)) continue;
      const line = `{"model":"streamed","response":"@${performance.now()}@","done":false}\n`;
      socket.write(`${line.length.toString(16)}\r\n${line}\r\n`);
    }
  }, TICK_MS);
  const stop = () => {
    clearInterval(ticking);
    for (const socket of sockets) socket.end();
    server.stop(true);
  };
  return {
    heartbeat: {
      node_id: "streaming",
      ipv4: "127.0.0.1",
      port: server.port,
      models: ["streamed"],
      metadata: {},
      boot_id: "streaming",
      agent_version: "0.1.0",
      capabilities: ["execute", "ollama"],
      slots: STREAMS + MODELS,
    },
    stop,
    [Symbol.dispose]: stop,
  };
}

const TICK_MS = 5;
