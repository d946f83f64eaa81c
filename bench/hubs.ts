/** Hub and node as they are shipped, or from source, with everything on that is on by default. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { compileProgram } from "../release/compile.ts";
import { ROOT } from "../release/lockfile.ts";
import { PATH, requestBody, UPSTREAM_NODES } from "./chunk.ts";
import type { Contender } from "./contender.ts";
import { freePort, type Program, start, untilAnswered } from "./programs.ts";
import type { Upstream } from "./testers.ts";

export type Build = "source" | "compiled";
export type OurProgram = "hub" | "node";

/** Both executables, compiled into `folder` as `npm run build` does. */
export async function compileBoth(folder: string): Promise<void> {
  const stamp = { commit: "bench", date: "bench" };
  for (const program of ["hub", "node"] as const) {
    await compileProgram({ program, outfile: executable(program, folder), stamp });
  }
}

function executable(program: OurProgram, folder: string): string {
  return join(folder, `ollama-${program}`);
}

export interface OurStart {
  readonly build: Build;
  /** Where the executables are and everything else goes. */
  readonly folder: string;
  /** Bun's own, where it runs from source. */
  readonly flags?: readonly string[];
}

export interface OurRun {
  readonly program: Program;
  readonly url: string;
  readonly port: number;
}

/** Slots of an agent at most. */
const NODE_SLOTS = 1024;
let started = 0;

/** Starts a hub, or a node with `env`; it need not answer yet. */
export function startOurs(
  which: OurProgram,
  { build, folder, flags = [] }: OurStart,
  env: Record<string, string> = {},
): OurRun {
  started += 1;
  const home = join(folder, `${which}-${started}`);
  mkdirSync(home);
  const port = freePort();
  const command =
    build === "source" ? [process.execPath, ...flags, join(ROOT, which, "main.ts")] : [executable(which, folder)];
  const own: Record<string, string> =
    which === "hub"
      ? // All of the load comes from one address, and is meant.
        { PORT: String(port), HUB_HOST: "127.0.0.1", SOURCE_CONCURRENT: "0" }
      : {
          NODE_PORT: String(port),
          NODE_HOST: "127.0.0.1",
          NODE_SLOTS: String(NODE_SLOTS),
          ADVERTISE_IPV4: "127.0.0.1",
        };
  const options = { env: { STATE_DIR: join(home, "state"), ...own, ...env }, log: join(home, "log") };
  return { program: start(command, "under test", options), url: `http://127.0.0.1:${port}`, port };
}

/** A node's settings for its Ollama and its hub. */
export function nodeSettings(hubUrl: string, upstream: Upstream, index = 0): Record<string, string> {
  const ollama = `http://127.0.0.1:${upstream.port}`;
  return { SERVER_URL: hubUrl, OLLAMA_BASE_URL: ollama, NODE_ID: `agent-${index}`, ADVERTISE_IPV6: "none" };
}

/** One hop: a hub whose nodes are the upstream itself. */
export async function startHubAlone(upstream: Upstream, how: OurStart): Promise<Contender> {
  const hub = startOurs("hub", how);
  await untilAnswered(`${hub.url}/healthz`, hub.program);
  await upstream.join(hub.url, join(how.folder, `nodes-of-${hub.port}`));
  await untilServed(hub.port, UPSTREAM_NODES);
  return {
    name: "hub",
    port: hub.port,
    pids: hub.program.pids,
    async end() {
      await upstream.leave(hub.url);
      await hub.program.end();
    },
  };
}

/** Two hops: a hub with `nodes` agents, all of one Ollama. */
export async function startHubAndNodes(upstream: Upstream, how: OurStart, nodes: number): Promise<Contender> {
  const hub = startOurs("hub", how);
  await untilAnswered(`${hub.url}/healthz`, hub.program);
  const agents = Array.from({ length: nodes }, (_, index) =>
    startOurs("node", how, nodeSettings(hub.url, upstream, index)),
  );
  for (const agent of agents) await untilAnswered(`${agent.url}/health`, agent.program);
  await untilServed(hub.port, nodes);
  const programs = [hub, ...agents].map(({ program }) => program);
  return {
    name: "hub + node",
    port: hub.port,
    pids: () => programs.flatMap((program) => program.pids()),
    async end() {
      await Promise.all(programs.map((program) => program.end()));
    },
  };
}

const JOIN_MS = 15_000;

const fleetList = z.array(z.object({ status: z.string() }));

/** Resolves when the hub at `port` gets answers and has `nodes` nodes that may serve. */
async function untilServed(port: number, nodes: number): Promise<void> {
  const url = `http://127.0.0.1:${port}`;
  const limit = { signal: AbortSignal.timeout(JOIN_MS), proxy: false as const };
  for (;;) {
    const fleet = fleetList.parse(await (await fetch(`${url}/nodes`, limit)).json());
    const response = await fetch(url + PATH, { ...limit, method: "POST", body: requestBody(null) });
    await response.arrayBuffer();
    if (response.ok && fleet.filter(({ status }) => status === "online").length === nodes) return;
    await Bun.sleep(50);
  }
}
