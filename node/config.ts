/** The node's settings: every variable with its unit, default and one line of explanation, and what they add up to. */
import { hostname } from "node:os";
import { type Address, type Family, parseAddress } from "../shared/address.ts";
import { type JoinToken, readJoinToken } from "../shared/join_token.ts";
import { LOG_LEVELS, type LogLevel } from "../shared/log.ts";
import { DEFAULT_SLOTS, heartbeat } from "../shared/protocol.ts";
import {
  baseUrl,
  describeSettings,
  type Environment,
  flag,
  listenAddress,
  number,
  oneOf,
  portNumber,
  readSettings,
  settingsHelp,
  wholeNumber,
} from "../shared/settings.ts";
import { STATE_DIR, stateFolder } from "../shared/state_file.ts";
import { checkTlsFiles, TLS_SETTINGS, type TlsFiles } from "../shared/tls.ts";

/** Which address of one family the node tells the hub: what it finds, none at all, or this one. */
export type Advertise = "detect" | "none" | Address;

export interface NodeConfig {
  /** Base URL of the hub, without a trailing slash. */
  readonly serverUrl: string;
  readonly nodeId: string;
  /** Address to listen on; `::` takes both families. */
  readonly host: string;
  /** Port to listen on; 0 takes any free one. */
  readonly port: number;
  /** Base URL of the local Ollama, without a trailing slash. */
  readonly ollamaUrl: string;
  readonly heartbeatIntervalMs: number;
  /** Requests at Ollama at the same time. */
  readonly slots: number;
  readonly advertiseIPv4: Advertise;
  readonly advertiseIPv6: Advertise;
  readonly drainTimeoutMs: number;
  readonly logLevel: LogLevel;
  readonly useEnvironmentProxy: boolean;
  /** Folder of its key and of the hub it trusts; need not exist. */
  readonly stateDir: string;
  /** What lets it join a hub that is closed to unknown nodes; also says which hub that is. */
  readonly joinToken: JoinToken | null;
  readonly tls: TlsFiles;
  /** File of the hub's certificate, or of its authority's; null for the usual authorities. */
  readonly hubCa: string | null;
}

function settingsTable(machine: string) {
  return {
    serverUrl: {
      variable: "SERVER_URL",
      fallback: "http://localhost:8000",
      doc: "The hub this node joins",
      parse: baseUrl,
    },
    nodeId: {
      variable: "NODE_ID",
      fallback: nodeIdFrom(machine),
      fallbackShown: "host name",
      doc: "Name of this node; keep it the same over restarts, and different on every machine",
      parse: nodeId,
    },
    host: {
      variable: "NODE_HOST",
      fallback: "::",
      doc: "Address to listen on; :: takes IPv6 and IPv4",
      parse: listenAddress,
    },
    port: {
      variable: "NODE_PORT",
      fallback: 8001,
      doc: "Port to listen on, 1024 or above: hubs dial none below",
      parse: nodePort,
    },
    ollamaUrl: {
      variable: "OLLAMA_BASE_URL",
      fallback: "http://127.0.0.1:11434",
      doc: "The Ollama this node offers",
      parse: baseUrl,
    },
    heartbeatInterval: {
      variable: "HEARTBEAT_INTERVAL",
      fallback: 30,
      unit: "seconds",
      doc: "Time between heartbeats; twice this has to stay below the hub's HEARTBEAT_TTL_SECONDS",
      parse: number(1, 600),
    },
    slots: {
      variable: "NODE_SLOTS",
      fallback: null as number | null,
      fallbackShown: `OLLAMA_NUM_PARALLEL, else ${DEFAULT_SLOTS}`,
      doc: "Requests Ollama works on at the same time",
      parse: wholeNumber(1, 1024) as (text: string) => number | null,
    },
    ollamaNumParallel: {
      variable: "OLLAMA_NUM_PARALLEL",
      fallback: 0,
      fallbackShown: "",
      doc: "Ollama's own setting, read when NODE_SLOTS is not set; 0 says nothing",
      parse: wholeNumber(0, 1024),
    },
    advertiseIPv4: {
      variable: "ADVERTISE_IPV4",
      fallback: "detect" as Advertise,
      fallbackShown: "found",
      doc: "IPv4 address told to the hub, or none",
      parse: advertise("IPv4"),
    },
    advertiseIPv6: {
      variable: "ADVERTISE_IPV6",
      fallback: "detect" as Advertise,
      fallbackShown: "found",
      doc: "IPv6 address told to the hub, or none",
      parse: advertise("IPv6"),
    },
    drainTimeout: {
      variable: "DRAIN_TIMEOUT",
      fallback: 120,
      unit: "seconds",
      doc: "How long running requests may go on after SIGTERM",
      parse: number(0, 86_400),
    },
    logLevel: {
      variable: "LOG_LEVEL",
      fallback: "INFO" as LogLevel,
      doc: "DEBUG, INFO, WARNING or ERROR",
      parse: oneOf(...LOG_LEVELS),
    },
    stateDir: STATE_DIR,
    ...TLS_SETTINGS,
    hubCa: {
      variable: "HUB_CA",
      fallback: null as string | null,
      doc: "File of the hub's certificate or its authority's (PEM), for a SERVER_URL with https:// that is not known to the world",
      parse: (text: string): string | null => text,
    },
    joinToken: {
      variable: "JOIN_TOKEN",
      fallback: null as JoinToken | null,
      secret: true as const,
      doc: "What `ollama-hub token create` printed, for a hub that takes no unknown nodes; the node then trusts that hub only",
      parse: joinToken as (text: string) => JoinToken | null,
    },
    useEnvironmentProxy: {
      variable: "USE_ENV_PROXY",
      fallback: false,
      doc: "1 sends heartbeats through http_proxy and its like, which are otherwise not obeyed",
      parse: flag,
    },
  };
}

/** The node's configuration out of `environment`; `machine` is the host name. Throws ConfigError, naming every bad variable. */
export function parseNodeConfig(environment: Environment, machine: string = hostname()): NodeConfig {
  const read = readSettings(settingsTable(machine), environment);
  return {
    serverUrl: read.serverUrl,
    nodeId: read.nodeId,
    host: read.host,
    port: read.port,
    ollamaUrl: read.ollamaUrl,
    heartbeatIntervalMs: read.heartbeatInterval * 1000,
    slots: read.slots ?? (read.ollamaNumParallel > 0 ? read.ollamaNumParallel : DEFAULT_SLOTS),
    advertiseIPv4: read.advertiseIPv4,
    advertiseIPv6: read.advertiseIPv6,
    drainTimeoutMs: read.drainTimeout * 1000,
    logLevel: read.logLevel,
    useEnvironmentProxy: read.useEnvironmentProxy,
    stateDir: stateFolder(read.stateDir, environment),
    joinToken: read.joinToken,
    tls: tlsFilesOf(read),
    hubCa: read.hubCa,
  };
}

function tlsFilesOf({ tlsCert, tlsKey, tlsClientCa }: TlsFiles): TlsFiles {
  const files = { tlsCert, tlsKey, tlsClientCa };
  checkTlsFiles(files);
  return files;
}

/** Every setting of the node as [variable, default, description], for --help and the README. */
export function nodeSettings(): [variable: string, fallback: string, doc: string][] {
  return describeSettings(settingsTable("host"));
}

/** The text of `--help`. */
export function nodeHelp(): string {
  return [
    "ollama-node: offers this machine's Ollama to a hub.",
    "",
    "  ollama-node                 listen and join the hub",
    "  ollama-node --accept-hub    trust the hub that answers now, whatever hub was trusted before",
    "  ollama-node --check-config  read the configuration, say whether it can work, and end",
    "  ollama-node --healthcheck   ask the node that runs here whether it is well: 0 when it is, else 1",
    "  ollama-node --version       print the version",
    "",
    "Configuration, from the environment:",
    settingsHelp(settingsTable("host")),
  ].join("\n");
}

/** `machine` as a node id: what the wire does not allow becomes a hyphen. */
function nodeIdFrom(machine: string): string {
  const cleaned = machine
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 128);
  return cleaned === "" ? "node" : cleaned;
}

function nodeId(text: string): string {
  const parsed = heartbeat.shape.node_id.safeParse(text);
  if (!parsed.success) throw new Error(`is not a node id: ${parsed.error.issues[0]?.message ?? ""}`);
  return parsed.data;
}

function nodePort(text: string): number {
  const port = portNumber(text);
  if (port > 0 && port < 1024) throw new Error("is below 1024, where a hub connects to no node");
  return port;
}

function joinToken(text: string): JoinToken {
  const token = readJoinToken(text);
  if (token === null) throw new Error("is not a join token such as ohj1.…, which `ollama-hub token create` prints");
  return token;
}

function advertise(family: Family): (text: string) => Advertise {
  return (text) => {
    if (text.toLowerCase() === "none") return "none";
    const address = parseAddress(text);
    if (address?.family === family) return address;
    throw new Error(`is not an ${family} address, nor the word none; leave it empty to have it found`);
  };
}
