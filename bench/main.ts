/** `bun run bench`: what the hub costs, beside nginx and HAProxy, in one run; writes docs/performance.md. */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildStamp } from "../release/compile.ts";
import { ROOT } from "../release/lockfile.ts";
import type { Contender } from "./contender.ts";
import { compileBoth, startHubAlone, startHubAndNodes } from "./hubs.ts";
import { measureIdleStreams, measureStarts, proveStreams } from "./measure_alone.ts";
import { measureFirstByte, measureRequests, measureStreams } from "./measure_side_by_side.ts";
import { type Measured, nothingMeasured } from "./measured.ts";
import { FULL, type Plan, QUICK } from "./plan.ts";
import { endAllAtExit, NOT_PINNED } from "./programs.ts";
import { findProgram, startHaproxy, startNginx } from "./proxies.ts";
import { type Circumstances, documentOf, spreadText, tablesOf } from "./report.ts";
import { spreadOf } from "./spread.ts";
import { startUpstream, type Upstream } from "./testers.ts";

const USAGE = `Measures the hub beside nginx and HAProxy and writes docs/performance.md.

  bun run bench            all of it, under ten minutes
  bun run bench --quick    under a minute, and only printed`;

/** The document, from the root. */
const DOCUMENT = "docs/performance.md";

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { quick: { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  if (values.help) return console.log(USAGE);
  endAllAtExit();
  const folder = mkdtempSync(join(tmpdir(), "ollama-connector-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const plan = values.quick ? QUICK : FULL;
  const began = performance.now();
  const measured = nothingMeasured();
  await measureAll(plan, folder, measured);
  console.log(`\n${tablesOf(measured, plan)}`);
  const seconds = (performance.now() - began) / 1000;
  const how = await circumstances(seconds);
  console.log(`\n${how.commit}, ${how.date}, ${how.machine}; ${how.versions.join(", ")}; ${Math.round(seconds)} s`);
  if (values.quick) return;
  await Bun.write(join(ROOT, DOCUMENT), documentOf(measured, plan, how));
  console.log(`written: ${DOCUMENT}`);
}

async function measureAll(plan: Plan, folder: string, measured: Measured): Promise<void> {
  const hasNginx = findProgram("nginx") !== null;
  const hasWrk = findProgram("wrk") !== null;
  if (NOT_PINNED !== null) measured.notes.push(NOT_PINNED);
  if (!hasNginx)
    measured.notes.push("nginx is not installed (apt-get install nginx-light): the hub has nothing beside it");
  if (findProgram("haproxy") === null) measured.notes.push("HAProxy is not installed (apt-get install haproxy)");
  if (!hasWrk) measured.notes.push("wrk is not installed (apt-get install wrk): no small requests");
  for (const note of measured.notes) console.log(note);

  await step("compiled", () => compileBoth(folder));
  await using upstream = await startUpstream();
  const contenders = await startAll(upstream, folder);
  const direct = contenders.filter(({ name }) => name === "direct");
  await measureStreams(direct, { ...plan, rounds: 1 }, measured);
  if (hasWrk) await measureRequests(direct, { ...plan, rounds: 1 }, folder, measured);
  console.log(`load and upstream alone: ${aloneText(measured)}`);
  measured.streams.clear();
  measured.requests.clear();

  await step("streams", () => measureStreams(contenders, plan, measured));
  await step("first byte", () => measureFirstByte(contenders, plan, measured));
  if (hasWrk) await step("small requests", () => measureRequests(contenders, plan, folder, measured));
  await Promise.all(contenders.map((contender) => contender.end()));
  await step("near-idle streams", () => measureIdleStreams(plan, upstream, folder, hasNginx, measured));
  if (plan.proves) await step("many streams", () => proveStreams(plan, upstream, folder, measured));
  await step("starts", () => measureStarts(plan, upstream, folder, measured));
}

/** All that is measured side by side, running. */
async function startAll(upstream: Upstream, folder: string): Promise<Contender[]> {
  const direct: Contender = { name: "direct", port: upstream.port, pids: () => [], end: async () => {} };
  const compiled = { build: "compiled", folder } as const;
  return [
    direct,
    ...(findProgram("nginx") === null ? [] : [await startNginx(upstream.port, folder)]),
    ...(findProgram("haproxy") === null ? [] : [await startHaproxy(upstream.port, folder)]),
    await startHubAlone(upstream, compiled),
    await startHubAndNodes(upstream, compiled, 1),
  ];
}

async function step(what: string, run: () => Promise<void>): Promise<void> {
  const began = performance.now();
  await run();
  console.log(`${what}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
}

function aloneText({ streams, requests }: Measured): string {
  const [stream] = streams.get("direct") ?? [];
  const perSecond = spreadText(spreadOf((requests.get("direct") ?? []).map((round) => round.perSecond)), 0);
  return `a chunk takes ${stream?.p50.toFixed(3)} ms (p99 ${stream?.p99.toFixed(3)}), ${perSecond} small requests a second`;
}

async function circumstances(seconds: number): Promise<Circumstances> {
  const { commit } = await buildStamp();
  const [processor] = cpus();
  return {
    commit,
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${processor?.model.trim()}`,
    versions: [`Bun ${Bun.version}`, versionOf("nginx", "-v"), versionOf("haproxy", "-v"), versionOf("wrk", "-v")],
    seconds,
  };
}

/** `program` with its version, as it says it, on whatever output. */
function versionOf(program: string, flag: string): string {
  const path = findProgram(program);
  if (path === null) return `no ${program}`;
  const { stdout, stderr } = Bun.spawnSync([path, flag]);
  return `${program} ${/\d+\.\d+(\.\d+)?/.exec(stdout.toString() + stderr.toString())?.[0] ?? "?"}`;
}

await main();
process.exit(0);
