/** What is measured of one fresh process at a time: memory at many streams, the proof that all are answered, the start. */
import type { Contender } from "./contender.ts";
import { type Build, nodeSettings, type OurProgram, startHubAlone, startHubAndNodes, startOurs } from "./hubs.ts";
import { addRound, type Measured } from "./measured.ts";
import { orderOf, type Plan } from "./plan.ts";
import { residentMbOf } from "./process_figures.ts";
import { untilAnswered } from "./programs.ts";
import { startNginx } from "./proxies.ts";
import { playLoad, type Upstream } from "./testers.ts";

/** Starts a contender of which nobody has asked anything yet. */
type Starter = () => Promise<Contender>;

/** Milliseconds from the last stream's first chunk to the look at memory. */
const SETTLE_MS = 500;
/** Milliseconds after which a program that was just started is at rest. */
const REST_MS = 1_500;
/** Agents for the proof: one has at most 1024 slots. */
const PROOF_NODES = 5;

/** Memory of nginx and of the hub at near-idle streams, each time of a process that has had no other work. */
export async function measureIdleStreams(
  { idle }: Plan,
  upstream: Upstream,
  folder: string,
  hasNginx: boolean,
  into: Measured,
): Promise<void> {
  const hub: Starter = () => startHubAlone(upstream, { build: "compiled", folder });
  const starters = hasNginx ? [() => startNginx(upstream.port, folder), hub] : [hub];
  for (let round = 0; round < idle.rounds; round++) {
    for (const starter of orderOf(starters, round)) {
      const { name, mb, answered, failures } = await readAll(starter, idle);
      addRound(into.idleStreams, name, mb);
      if (answered < idle.count) {
        into.notes.push(`${name} answered ${answered} of ${idle.count} near-idle streams: ${failures.join("; ")}`);
      }
    }
  }
}

/** Whether as many streams are answered through one hop and two, from source and compiled. */
export async function proveStreams({ idle }: Plan, upstream: Upstream, folder: string, into: Measured): Promise<void> {
  const oneHop = (build: Build) => () => startHubAlone(upstream, { build, folder });
  const twoHops = (build: Build) => () => startHubAndNodes(upstream, { build, folder }, PROOF_NODES);
  for (const build of ["source", "compiled"] as const) {
    for (const [what, starter] of [
      ["hub", oneHop(build)],
      [`hub + ${PROOF_NODES} nodes`, twoHops(build)],
    ] as const) {
      const { mb, atOnce, answered, failures } = await readAll(starter, idle);
      into.proofs.push({ what, build, streams: idle.count, atOnce, answered, mb });
      for (const failure of failures) into.notes.push(`a stream through ${what} (${build}) failed: ${failure}`);
    }
  }
}

/** Opens that many streams, which all stay open until the last one has begun, and reads each to its end. */
async function readAll(starter: Starter, { count, everyMs }: Plan["idle"]) {
  const contender = await starter();
  try {
    // Long enough that the first stream is still there when the last one opens.
    const pace = { chunks: 3, everyMs };
    const load = { port: contender.port, pace, kind: "whole", streams: count, warmMs: SETTLE_MS, windowMs: 0 } as const;
    let mb = Number.NaN;
    const figures = await playLoad(load, (event) => {
      if (event === "begin") mb = residentMbOf(contender.pids());
    });
    return { name: contender.name, mb, ...figures };
  } finally {
    await contender.end();
  }
}

/** From the start of the executable to its first answer, and its memory when it is at rest. */
export async function measureStarts(
  { starts }: Plan,
  upstream: Upstream,
  folder: string,
  into: Measured,
): Promise<void> {
  for (let round = 0; round < starts; round++) {
    const hub = await measureStart("hub", "/healthz", {}, folder);
    const node = await measureStart("node", "/health", nodeSettings(hub.url, upstream), folder);
    await Bun.sleep(REST_MS);
    for (const { which, program, ms } of [hub, node]) {
      addRound(into.starts, which, { ms, mb: residentMbOf(program.pids()) });
      await program.end();
    }
  }
}

async function measureStart(which: OurProgram, path: string, env: Record<string, string>, folder: string) {
  const began = performance.now();
  const run = startOurs(which, { build: "compiled", folder }, env);
  await untilAnswered(run.url + path, run.program);
  return { which, ...run, ms: performance.now() - began };
}
