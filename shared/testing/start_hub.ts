/** A real hub inside the test's process, on a free loopback port, with what tests keep asking it. */
import { readHubConfig } from "../../hub/config.ts";
import { PROBE_TIMES } from "../../hub/fleet/probe.ts";
import { type HubParts, startHub } from "../../hub/hub.ts";
import type { RequestRecord } from "../../hub/request_log.ts";
import { silentLogger } from "../log.ts";
import type { Environment } from "../settings.ts";
import { eventuallyWithin } from "./eventually.ts";
import { stateFolderForTest } from "./state_folder.ts";

export interface StartHubOptions extends Partial<HubParts> {
  /** Variables as a person would set them. */
  readonly environment?: Environment;
  /** The key with which the test itself asks a hub that is closed. */
  readonly key?: string;
}

export interface TestHub {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  /** POSTs `body` to /jobs. */
  job(body: unknown, signal?: AbortSignal): Promise<Response>;
  /** POSTs `body` to /nodes/heartbeat. */
  heartbeat(body: unknown): Promise<Response>;
  /** GET /nodes, by node id. */
  nodes(): Promise<Map<string, NodeJson>>;
  /** Resolves once a node with this id satisfies `condition`; rejects after 10 s. */
  nodeThat(id: string, condition: (node: NodeJson) => boolean): Promise<NodeJson>;
  /** The newest requests of GET /logs, newest first. */
  logs(limit?: number): Promise<RequestRecord[]>;
  /** Requests that have begun and not ended. */
  running(): number;
  drain(): Promise<void>;
  stop(): Promise<void>;
}

/** The fields of GET /nodes that tests look at. */
export interface NodeJson {
  readonly node_id: string;
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  readonly models: readonly string[];
  readonly status: string;
  readonly reason: string | null;
  readonly trust: string;
  readonly intent: string;
  readonly active_jobs: number;
  readonly failure_count: number;
  readonly slots: number;
  readonly loaded: readonly string[];
  readonly routes: readonly { family: string; address: string; reachable: boolean | null; rtt_ms: number | null }[];
  readonly ollama: { readonly ok: boolean; readonly version: string | null };
}

/** How often a waiting test looks again, and when it gives up. */
const LOOK_MS = 10;
const GIVE_UP_MS = 10_000;

/** Starts a hub on 127.0.0.1 that listens when this returns. */
export function startTestHub({ environment = {}, key, ...parts }: StartHubOptions = {}): TestHub {
  const config = readHubConfig({ PORT: "0", HUB_HOST: "127.0.0.1", STATE_DIR: stateFolderForTest(), ...environment });
  const hub = startHub(config, { log: silentLogger, probeTimes: PROBE_TIMES, ...parts });
  const port = hub.server.port ?? 0;
  const url = `http://127.0.0.1:${port}`;
  const own = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const post = (path: string, body: unknown, signal?: AbortSignal) =>
    fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...own },
      body: JSON.stringify(body),
      ...(signal ? { signal } : {}),
    });
  const nodes = async () => {
    const list = (await (await fetch(`${url}/nodes`, { headers: own })).json()) as NodeJson[];
    return new Map(list.map((node) => [node.node_id, node]));
  };
  return {
    url,
    port,
    nodes,
    job: (body, signal) => post("/jobs", body, signal),
    heartbeat: (body) => post("/nodes/heartbeat", body),
    nodeThat: (id, condition) =>
      eventually(async () => {
        const node = (await nodes()).get(id);
        if (!node || !condition(node)) throw new Error(`node ${id} is ${JSON.stringify(node)}`);
        return node;
      }),
    logs: async (limit = 1000) =>
      (await (await fetch(`${url}/logs?limit=${limit}`, { headers: own })).json()) as RequestRecord[],
    running: () => hub.requestLog.running().size,
    drain: hub.drain,
    stop: hub.stop,
  };
}

/** Calls `look` until it no longer throws. Rejects with its last error after 10 s. */
export const eventually = eventuallyWithin(GIVE_UP_MS, LOOK_MS);
