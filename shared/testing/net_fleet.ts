/** A hub and nodes as real processes, each machine a network namespace, wired to the hub by a cable of its own. */
import { join } from "node:path";
import type { RequestRecord } from "../../hub/request_log.ts";
import type { FakeOllamaOptions } from "./fake_ollama.ts";
import type { FakeOllamaReport } from "./fake_ollama_main.ts";
import { openNetLab, type Space, type SpaceProcess } from "./net_lab.ts";
import { eventually, type NodeJson } from "./start_hub.ts";
import { stateFolderForTest } from "./state_folder.ts";

type Variables = Readonly<Record<string, string>>;

/** Which addresses a cable has at both ends: IPv4, global IPv6, unique-local IPv6. */
export type AddressKind = "IPv4" | "IPv6" | "unique-local";

/** Default ports of hub, node and Ollama: every machine has its own. */
export const NODE_PORT = 8001;
const HUB = "http://127.0.0.1:8000";

const ROOT = join(import.meta.dir, "../..");

export interface NetNode {
  readonly id: string;
  readonly space: Space;
  /** The machine's address of this kind. */
  address(kind: AddressKind): string;
  /** The hub's address of this kind on the cable to this machine. */
  hubAddress(kind: AddressKind): string;
  /** Starts the agent; resolves once the hub knows the node with its models. */
  join(environment?: Variables): Promise<NodeJson>;
  /** How often its Ollama was given this prompt. */
  executions(prompt: string): Promise<number>;
}

export interface JobAnswer {
  readonly status: number;
  readonly body: string;
  /** The hub's log of it. */
  readonly log: RequestRecord;
}

export interface NetFleet extends AsyncDisposable {
  readonly hub: Space;
  /** Makes a machine with an Ollama on it and a cable to the hub, with these addresses; the agent does not run yet. */
  machine(id: string, kinds: readonly AddressKind[], options?: FakeOllamaOptions): Promise<NetNode>;
  /** A request to the hub, made inside its namespace. */
  fetch(path: string, init?: { method?: string; body?: string }): Promise<Response>;
  /** POSTs /jobs for `prompt`, which has to be new, and reads the answer to its end. */
  job(prompt: string, more?: object): Promise<JobAnswer>;
  /** What the hub says of a node, once it satisfies `condition`; rejects after 10 s. */
  nodeThat(id: string, condition: (node: NodeJson) => boolean): Promise<NodeJson>;
}

/** The public addresses of the machines, which the hub would not take for its own network. */
const PUBLIC = "2001:db8:9::/48";

/** Starts a hub in a namespace of its own. `ipv6: false` gives every machine a kernel with IPv6 switched off. */
export async function openNetFleet(environment: Variables = {}, { ipv6 = true } = {}): Promise<NetFleet> {
  const lab = openNetLab();
  const processes: SpaceProcess[] = [];
  try {
    const space = lab.space("hub", { ipv6 });
    const door = join(lab.folder, "hub");
    const start = (where: Space, script: string, words: readonly string[], variables: Variables = {}) => {
      const settings = { STATE_DIR: stateFolderForTest(), TRUSTED_NETWORKS: PUBLIC, ...variables };
      processes.push(where.start([process.execPath, join(ROOT, script), ...words], settings));
    };
    /** `eventually`, whose error also says what the processes have printed. */
    const explained = <T>(look: () => T | Promise<T>) =>
      eventually(look).catch((error: unknown) => {
        const printed = processes.map((child) => child.output()).join("\n");
        throw new Error(`${error instanceof Error ? error.message : error}\n${printed}`);
      });

    const ask: NetFleet["fetch"] = (path, init = {}) =>
      fetch(`http://hub${path}`, { ...init, unix: door, headers: { "content-type": "application/json" } });
    const nodeThat: NetFleet["nodeThat"] = (id, condition) =>
      explained(async () => {
        const response = await ask(`/nodes/${id}`);
        const node = (await response.json()) as NodeJson;
        if (response.status !== 200 || !condition(node)) throw new Error(`node ${id} is ${JSON.stringify(node)}`);
        return node;
      });
    const logOf = (prompt: string) =>
      explained(async () => {
        const rows = (await (await ask("/logs?limit=1000")).json()) as RequestRecord[];
        const row = rows.find(({ request_json: json }) => (json as { prompt?: string } | null)?.prompt === prompt);
        if (!row) throw new Error(`no row of "${prompt}" in the hub's log`);
        return row;
      });

    let cables = 0;
    async function machine(
      id: string,
      kinds: readonly AddressKind[],
      options: FakeOllamaOptions = {},
    ): Promise<NetNode> {
      cables += 1;
      const cable = cables;
      const machineSpace = lab.space(id, { ipv6 });
      const addresses = (host: 1 | 2): Record<AddressKind, string> => ({
        IPv4: `10.9.${cable}.${host}`,
        IPv6: `2001:db8:9:${cable}::${host}`,
        "unique-local": `fd00:9:0:${cable}::${host}`,
      });
      const end = (where: Space, host: 1 | 2) => ({
        space: where,
        addresses: kinds.map((kind) => `${addresses(host)[kind]}/${kind === "IPv4" ? 24 : 64}`),
      });
      lab.link(end(space, 1), end(machineSpace, 2));

      const control = join(lab.folder, id);
      start(machineSpace, "shared/testing/fake_ollama_main.ts", [control, JSON.stringify({ port: 11434, ...options })]);
      const report = async () => (await (await fetch("http://ollama/", { unix: control })).json()) as FakeOllamaReport;
      await explained(() => report());

      const hubAddress = (kind: AddressKind) => addresses(1)[kind];
      return {
        id,
        space: machineSpace,
        address: (kind) => addresses(2)[kind],
        hubAddress,
        async join(variables = {}) {
          const kind = kinds.includes("IPv4") ? "IPv4" : (kinds[0] ?? "IPv6");
          const hub = kind === "IPv4" ? hubAddress(kind) : `[${hubAddress(kind)}]`;
          start(machineSpace, "node/main.ts", [], { NODE_ID: id, SERVER_URL: `http://${hub}:8000`, ...variables });
          return await nodeThat(id, (node) => node.models.length > 0);
        },
        executions: async (prompt) => (await report()).executions.filter((one) => one.prompt === prompt).length,
      };
    }

    start(space, "shared/testing/unix_door.ts", [door, HUB]);
    start(space, "hub/main.ts", [], environment);
    await explained(async () => {
      const { status } = await ask("/healthz");
      if (status !== 200) throw new Error(`the hub does not answer: ${status}`);
    });
    return {
      hub: space,
      machine,
      fetch: ask,
      nodeThat,
      async job(prompt, more = {}) {
        const response = await ask("/jobs", {
          method: "POST",
          body: JSON.stringify({ model: "llama3", prompt, ...more }),
        });
        const body = await response.text();
        return { status: response.status, body, log: await logOf(prompt) };
      },
      [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
    };
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}
