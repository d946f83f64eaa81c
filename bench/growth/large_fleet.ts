/** What ten thousand nodes take of memory, and how long it takes to tell of them. */
import { readFileSync } from "node:fs";
import { runProgram } from "../../shared/testing/programs.ts";
import { startBlaster } from "./blaster.ts";
import { median, type Row } from "./table.ts";

const NODES = 10_000;
const GOES = 5;

export async function largeFleet(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of ["unsigned", "signed"] as const) {
    await using hub = await runProgram("hub", "source", { PORT: "0", LOG_LEVEL: "INFO" });
    const base = `http://127.0.0.1:${hub.port}`;
    const idle = rssMb(hub.pid);
    const hubBootId = kind === "signed" ? ((await fetch(`${base}/healthz`)).headers.get("x-hub-boot-id") ?? "") : null;
    const blast = { port: hub.port, nodes: NODES, ms: null, rate: null, hubBootId };
    const first = await startBlaster({ ...blast, count: NODES }).ended;
    if (first.accepted !== NODES) throw new Error(`${first.accepted} of ${NODES} joined`);
    // What was only needed while they joined is given back.
    await Bun.sleep(12_000);
    const all = `${NODES} ${kind} nodes`;
    rows.push({ what: `${all}: all of them join in`, value: first.ms / 1_000, unit: "s" });
    rows.push({
      what: `${all}: memory (of which empty ${idle.toFixed(0)})`,
      value: rssMb(hub.pid),
      unit: "MB",
      target: ["<=", 200],
    });
    const times: number[] = [];
    let megabytes = 0;
    for (let go = 0; go < GOES; go++) {
      const began = performance.now();
      const body = await (await fetch(`${base}/nodes`)).arrayBuffer();
      times.push(performance.now() - began);
      megabytes = body.byteLength / 1e6;
    }
    rows.push({
      what: `${all}: GET /nodes (${megabytes.toFixed(0)} MB)`,
      value: median(times),
      unit: "ms",
      target: ["<=", 100],
    });
    rows.push({ what: `${all}: memory after that`, value: rssMb(hub.pid), unit: "MB" });
  }
  return rows;
}

function rssMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_000;
}
