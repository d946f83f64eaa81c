/** A hub with nodes that are nothing but heartbeats: as many as a test wants, with whatever names, at whatever time. */
import type { FleetFetch } from "../../shared/fleet_fetch.ts";
import type { HeartbeatBody } from "../../shared/protocol.ts";
import { type StartHubOptions, startTestHub, type TestHub } from "../../shared/testing/start_hub.ts";

export interface Crowd extends AsyncDisposable {
  readonly hub: TestHub;
  /** Sends a heartbeat of a node, changed by `changes`. Throws when the hub refuses it. */
  beat(changes: Partial<HeartbeatBody> & { node_id: string }): Promise<void>;
  /** How a node answers a request to a model; "hello" until a test says otherwise. */
  answer: (nodeId: string, body: string) => Response;
  /** Addresses that nothing answers at, such as "[2001:db8::7]". */
  readonly dead: Set<string>;
}

/** As Ollama says it, in one piece. */
const HELLO = `{"response":"hello","done":false}\n{"response":"","done":true,"eval_count":1}\n`;

/** Starts one. A node is told from another by its port. */
export function startCrowd(options: StartHubOptions = {}): Crowd {
  const ids = new Map<string, string>();
  const dead = new Set<string>();
  const fetch: FleetFetch = async (address, { body }) => {
    const { host, hostname, port, pathname } = new URL(address);
    const id = ids.get(port);
    if (id === undefined || dead.has(hostname))
      throw Object.assign(new Error(`${host} is dead`), { code: "ECONNREFUSED" });
    if (pathname === "/health") return Response.json({ status: "ok", node_id: id, agent_version: "0.1.0" });
    return crowd.answer(id, await new Response(body).text());
  };
  // Its older agents tell addresses that they do not speak from: the hub takes those of a trusted network.
  const environment = { TRUSTED_NETWORKS: "2001:db8::/32", ...options.environment };
  const hub = startTestHub({ fetch, ...options, environment });
  const ports = new Map<string, number>();
  const crowd: Crowd = {
    hub,
    dead,
    answer: () => new Response(HELLO, { headers: { "content-type": "application/x-ndjson" } }),
    async beat(changes) {
      const id = changes.node_id;
      const port = ports.get(id) ?? 10_000 + ports.size;
      ports.set(id, port);
      ids.set(String(port), id);
      const response = await hub.heartbeat({ ...bodyOf(id, port), ...changes });
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    },
    [Symbol.asyncDispose]: () => hub.stop(),
  };
  return crowd;
}

/** What a healthy machine with two models reports. */
function bodyOf(node_id: string, port: number): HeartbeatBody {
  return {
    node_id,
    port,
    ipv4: "127.0.0.1",
    ipv6: `2001:db8::${(port - 9999).toString(16)}`,
    ...modelsOf(["llama3:latest", "qwen2.5:7b"], ["llama3:latest"]),
    load: { cpu: 0.2, memory: 0.5 },
    slots: 4,
    boot_id: "boot-1",
    agent_version: "0.1.0",
    capabilities: ["execute", "ollama"],
    ollama: { ok: true, version: "0.33.0" },
    metadata: { os: "linux", cpu_count: 8 },
    gpu: [{ name: "RTX 4090", utilization: 0.4, memory_used: 8e9, memory_total: 24e9 }],
  };
}

/** The fields of a heartbeat that tell of these models, the `loaded` ones in memory. */
export function modelsOf(
  names: readonly string[],
  loaded: readonly string[],
  digest = "a".repeat(64),
): Pick<HeartbeatBody, "models" | "loaded" | "tags" | "ps"> {
  const details = { parameter_size: "7.6B", quantization_level: "Q4_K_M" };
  return {
    models: [...names],
    loaded: [...loaded],
    tags: names.map((name) => ({ name, digest, size: 4.7e9, modified_at: "2026-01-01T00:00:00Z", details })),
    ps: loaded.map((name) => ({ name, digest, size: 6e9, size_vram: 6e9, expires_at: "2099-01-01T00:00:00Z" })),
  };
}
