/** A real node agent inside the test's process, on a free port, quick to notice changes and reachable by loopback only. */
import { startAgent } from "../../node/agent.ts";
import { parseNodeConfig } from "../../node/config.ts";
import type { TicketGate } from "../../node/ticket_gate.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Environment } from "../settings.ts";
import { stateFolderForTest } from "./state_folder.ts";

export interface StartNodeOptions {
  readonly nodeId?: string;
  /** Base URL of the hub; without one the node looks for a hub that is not there. */
  readonly serverUrl?: string;
  /** Base URL of the (fake) Ollama; without one the node finds none. */
  readonly ollamaUrl?: string;
  readonly slots?: number;
  /** 0, a free port, unless a node has to come back on the port it had. */
  readonly port?: number;
  /** Seconds. */
  readonly heartbeatInterval?: number;
  /** Seconds. */
  readonly drainTimeout?: number;
  /** Milliseconds between two looks at Ollama; 50 unless told otherwise. */
  readonly ollamaLookMs?: number;
  /** Milliseconds between two looks at the hub; 50 unless told otherwise. */
  readonly hubLookMs?: number;
  /** Any further variable, as a person would set it; wins over the options above. */
  readonly environment?: Environment;
  readonly log?: Logger;
  /** Without it only the hub gets in. */
  readonly gate?: TicketGate;
}

/** Lets everybody in, for tests of what a node does with requests. */
export const everybody: TicketGate = () => ({ kind: "admitted", bodyHash: null });

export interface TestNode {
  readonly nodeId: string;
  readonly port: number;
  readonly bootId: string;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Resolves when the hub has accepted the node for the first time. */
  readonly joined: Promise<void>;
  /** Ends it as a power cut would look from outside, only faster: connections are reset, nobody is told. */
  kill(): Promise<void>;
  /** What SIGHUP does: reads its certificate anew. */
  reload(): void;
  /** What SIGTERM does: finish what runs, tell the hub, end. */
  drain(): Promise<void>;
  /** Ends it without ceremony, at the end of a test. */
  stop(): Promise<void>;
}

/** A port nothing listens on (discard). */
const NOBODY = "http://127.0.0.1:9";

let started = 0;

/** Starts a node. It listens when this resolves; `joined` tells when the hub knows it. */
export async function startNode(options: StartNodeOptions = {}): Promise<TestNode> {
  started += 1;
  const environment: Environment = {
    NODE_ID: options.nodeId ?? `test-node-${started}`,
    SERVER_URL: options.serverUrl ?? NOBODY,
    OLLAMA_BASE_URL: options.ollamaUrl ?? NOBODY,
    NODE_PORT: String(options.port ?? 0),
    NODE_SLOTS: String(options.slots ?? 4),
    HEARTBEAT_INTERVAL: String(options.heartbeatInterval ?? 30),
    DRAIN_TIMEOUT: String(options.drainTimeout ?? 10),
    ADVERTISE_IPV4: "127.0.0.1",
    ADVERTISE_IPV6: "none",
    STATE_DIR: stateFolderForTest(),
    ...options.environment,
  };
  const config = parseNodeConfig(environment);
  const agent = startAgent(config, {
    version: "0.0.0-test",
    log: options.log ?? silentLogger,
    ollamaLookMs: options.ollamaLookMs ?? 50,
    hubLookMs: options.hubLookMs ?? 50,
    ...(options.gate === undefined ? {} : { gate: options.gate }),
  });
  return {
    nodeId: config.nodeId,
    port: agent.port,
    bootId: agent.bootId,
    url: `http://127.0.0.1:${agent.port}`,
    joined: agent.joined,
    kill: () => agent.stop(),
    reload: () => agent.reload?.(),
    drain: () => agent.drain(),
    stop: () => agent.stop(),
  };
}
