/** The place where a scenario plays: a real hub, real node agents, and behind each a stand-in Ollama in this process. */
import type { Family } from "../../address.ts";
import { type FakeOllama, type FakeOllamaOptions, startFakeOllama, tokenAt } from "../fake_ollama.ts";
import { type ProgramRun, runProgram } from "../programs.ts";
import type { NodeJson } from "../start_hub.ts";
import { type FaultProxy, startFaultProxy } from "./fault_proxy.ts";
import type { Match } from "./firewall.ts";
import { type Execution, type History, type Operation, operationOf, saltedPrompt } from "./history.ts";

type Variables = Readonly<Record<string, string>>;

export interface NodePlan {
  readonly id: string;
  /** Whether the hub reaches it through fault proxies. */
  readonly proxied?: boolean;
  /** Jobs at once; default 8. */
  readonly slots?: number;
  readonly ollama?: FakeOllamaOptions;
  readonly environment?: Variables;
}

export interface Ground {
  /** Whether this process is in a network namespace of the lab's own: every port is free, every packet may be dropped. */
  readonly namespace: boolean;
  /** From 0 to 1, for the proxies' jitter. */
  readonly random: () => number;
}

export interface ArenaNode {
  readonly id: string;
  readonly ollama: FakeOllama;
  readonly proxies: readonly FaultProxy[];
  /** The agent's process; null while it is down. */
  readonly process: ProgramRun | null;
  /** Starts the agent; it listens when this resolves, the hub may not know it yet. */
  start(): Promise<void>;
  /** Ends the agent; resolves when it is gone, with its exit code. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<number>;
  /** Stops it in the middle of whatever it does; `thaw` lets it go on. */
  freeze(): void;
  thaw(): void;
  /** Packets between hub and node: the hub's jobs and probes. */
  packets(side: "to" | "from", families?: readonly Family[]): Match[];
  /** Packets between node and hub: heartbeats. */
  heartbeats(side: "to" | "from"): Match[];
}

export interface Arena extends AsyncDisposable {
  /** `http://…` for clients. */
  readonly url: string;
  readonly hub: ProgramRun;
  readonly nodes: readonly ArenaNode[];
  node(id: string): ArenaNode;
  /** Every operation of this arena, for `ask`. */
  readonly operations: Operation[];
  /** What happened so far. */
  history(): History;
  /** Ends the hub and starts it again at the same address; resolves when it listens. */
  restartHub(signal: "SIGKILL" | "SIGTERM", onEnded?: (code: number) => void): Promise<void>;
  /** GET /nodes; rejects when the hub does not answer in two seconds. */
  shown(): Promise<NodeJson[]>;
  /** Resolves with the milliseconds it took until /nodes satisfies `condition`; rejects after `limitMs`. */
  until(condition: (nodes: readonly NodeJson[]) => boolean, limitMs?: number): Promise<number>;
  /** Waits until nothing runs at any Ollama, at most this long. */
  settle(limitMs: number): Promise<void>;
}

let arenas = 0;

/** Agents and hubs that run. Without a namespace nobody else would end them should this process end first. */
const living = new Set<number>();
process.on("exit", () => {
  for (const pid of living) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
});

async function startProgram(program: "hub" | "node", environment: Record<string, string>): Promise<ProgramRun> {
  const run = await runProgram(program, "source", environment);
  living.add(run.pid);
  const end: ProgramRun["end"] = async (signal) => {
    const code = await run.end(signal);
    living.delete(run.pid);
    return code;
  };
  return { ...run, end };
}

/** Starts it all; every node is online when this resolves. */
export async function openArena(
  ground: Ground,
  plans: readonly NodePlan[],
  environment: Variables = {},
): Promise<Arena> {
  arenas += 1;
  // Below the ports that outgoing connections get, so that nobody takes one while its process restarts.
  const base = ground.namespace ? 8000 : 20_000 + (process.pid % 100) * 100;
  const hubPort = base + (arenas % 5) * 20;
  const hubEnvironment = { PORT: String(hubPort), HUB_HOST: ground.namespace ? "::" : "::1", ...environment };
  let hub = await startProgram("hub", hubEnvironment);
  const url = `http://[::1]:${hubPort}`;
  const operations: Operation[] = [];
  const hubStops: number[] = [];
  const nodes: ArenaNode[] = [];
  let closed = false;

  const arena: Arena = {
    url,
    get hub() {
      return hub;
    },
    nodes,
    node(id) {
      const found = nodes.find((node) => node.id === id);
      if (!found) throw new Error(`no node ${id} in this arena`);
      return found;
    },
    operations,
    history: () => ({ operations, executions: nodes.flatMap(executionsOf), hubStops }),
    async restartHub(signal, onEnded) {
      hubStops.push(performance.now());
      const code = await hub.end(signal);
      onEnded?.(code);
      hub = await startProgram("hub", hubEnvironment);
    },
    async shown() {
      const response = await fetch(`${url}/nodes`, { signal: AbortSignal.timeout(2000), keepalive: false });
      return (await response.json()) as NodeJson[];
    },
    async until(condition, limitMs = 20_000) {
      const from = performance.now();
      for (;;) {
        const seen = await arena.shown().catch(() => []);
        const ms = performance.now() - from;
        if (seen.length > 0 && condition(seen)) return ms;
        if (ms > limitMs) throw new Error(`not so within ${limitMs} ms: ${JSON.stringify(seen.map(brief))}`);
        await Bun.sleep(20);
      }
    },
    async settle(limitMs) {
      const giveUpAt = performance.now() + limitMs;
      const busy = () => nodes.some(({ ollama: { counters } }) => counters.running + counters.waiting > 0);
      while (busy() && performance.now() < giveUpAt) await Bun.sleep(20);
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      await hub.end("SIGKILL");
      for (const node of nodes) {
        if (node.process) await node.end("SIGKILL");
        for (const proxy of node.proxies) proxy.shut();
        await node.ollama.stop();
      }
    },
  };

  try {
    for (const [index, plan] of plans.entries()) nodes.push(await openNode(ground, plan, index + 1, hubPort));
    await Promise.all(nodes.map((node) => node.start()));
    await arena.until((seen) => seen.filter(isReady).length === plans.length);
    return arena;
  } catch (error) {
    await arena[Symbol.asyncDispose]();
    throw error;
  }
}

const brief = ({ node_id, status, reason, trust, routes }: NodeJson) => ({ node_id, status, reason, trust, routes });

/** Whether the hub would give this node work. */
export function isReady({ status, models, ollama }: NodeJson): boolean {
  return status === "online" && models.length > 0 && ollama.ok;
}

function executionsOf({ id, ollama }: ArenaNode): Execution[] {
  return ollama.executions.flatMap(({ prompt, seed, tokensSent, outcome, abortedAt = null }) => {
    const operation = operationOf(prompt);
    return operation === null ? [] : [{ operation, node: id, prompt, seed, tokensSent, outcome, abortedAt }];
  });
}

async function openNode(ground: Ground, plan: NodePlan, index: number, hubPort: number): Promise<ArenaNode> {
  const { id, proxied = false } = plan;
  const port = hubPort + index;
  // Over IPv6 the hub sees a heartbeat come from the very address it went to: in a namespace every node has its own.
  const ipv6 = ground.namespace ? `fd77::${index}` : "::1";
  // Loopback would not be believed of one whose heartbeat comes from elsewhere.
  const ipv4 = ground.namespace ? `10.77.0.${index}` : `127.0.2.${index}`;
  const ollama = await startFakeOllama({
    parallel: 64,
    // To Anthropic's route max_tokens is a limit only; nobody here asks without one.
    tokens: 1_000_000,
    speak: (prompt, seed, at) => tokenAt(saltedPrompt(id, prompt), seed, at),
    ...plan.ollama,
  });
  const inside = `127.0.1.${index}`;
  const listenAt = (host: string) =>
    startFaultProxy({ listen: { host, port }, target: { host: inside, port }, random: ground.random });
  const proxies = proxied ? [await listenAt(ipv4), await listenAt(ipv6)] : [];
  // Without a namespace of its own a node that listens everywhere would be reachable from outside.
  const bare = ground.namespace ? "::" : "::1";
  const environment = {
    NODE_ID: id,
    NODE_HOST: proxied ? inside : bare,
    NODE_PORT: String(port),
    NODE_SLOTS: String(plan.slots ?? 8),
    SERVER_URL: `http://[${ipv6}]:${hubPort}`,
    OLLAMA_BASE_URL: ollama.url,
    ADVERTISE_IPV4: proxied || ground.namespace ? ipv4 : "none",
    ADVERTISE_IPV6: ipv6,
    ...plan.environment,
  };
  let run: ProgramRun | null = null;
  const signal = (name: NodeJS.Signals) => {
    if (run) process.kill(run.pid, name);
  };
  const address: Readonly<Record<Family, string>> = { IPv4: ipv4, IPv6: ipv6 };
  return {
    id,
    ollama,
    proxies,
    get process() {
      return run;
    },
    async start() {
      run = await startProgram("node", environment);
      for (const proxy of proxies) await proxy.open();
    },
    async end(name) {
      const ended = run?.end(name);
      // A proxy in front of a dead process would still take connections, which the dead do not.
      const code = (await ended) ?? 0;
      run = null;
      for (const proxy of proxies) proxy.shut();
      return code;
    },
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    packets: (side, families = ["IPv4", "IPv6"]) =>
      families.map((family) => ({ family, side, address: address[family], port })),
    heartbeats: (side) => [{ family: "IPv6", side, address: ipv6, port: hubPort }],
  };
}
