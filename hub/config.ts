/** Every setting of the hub: variable, unit, default, one line of explanation. */
import { IP_PREFERENCES, type IpPreference } from "../shared/address_order.ts";
import { LOG_LEVELS, type LogLevel } from "../shared/log.ts";
import { type Networks, NO_NETWORKS, parseNetworks } from "../shared/networks.ts";
import {
  ConfigError,
  type Environment,
  flag,
  listenAddress,
  number,
  oneOf,
  portNumber,
  readSettings,
  type Setting,
  type Values,
  wholeNumber,
} from "../shared/settings.ts";
import { STATE_DIR, stateFolder } from "../shared/state_file.ts";
import { checkTlsFiles, TLS_SETTINGS } from "../shared/tls.ts";
import { type EnvironmentKey, parseApiKeys } from "./access/keys.ts";
import { parseHosts } from "./policy/allowed_hosts.ts";
import { LB_POLICIES, type LbPolicy } from "./policy/criteria.ts";
import { type AllowedOrigins, parseOrigins } from "./policy/origins.ts";

const seconds = (variable: string, fallback: number, doc: string): Setting<number> => ({
  variable,
  fallback,
  unit: "seconds",
  doc,
  parse: number(0.05, 86_400),
});

/** The table that the hub reads, `--help` shows and the README has. */
export const HUB_SETTINGS = {
  port: { variable: "PORT", fallback: 8000, doc: "Port the hub listens on", parse: portNumber },
  host: {
    variable: "HUB_HOST",
    fallback: "::",
    doc: "Address it listens on; :: is every address, IPv6 and IPv4",
    parse: listenAddress,
  },
  heartbeatInterval: seconds(
    "HEARTBEAT_INTERVAL",
    30,
    "How often nodes report, by their own HEARTBEAT_INTERVAL; here it is only checked to fit twice into HEARTBEAT_TTL_SECONDS",
  ),
  heartbeatTtl: seconds("HEARTBEAT_TTL_SECONDS", 90, "Silence after which a node is offline and gets no work"),
  heartbeatOffline: seconds("HEARTBEAT_OFFLINE_SECONDS", 180, "Silence after which a node is removed"),
  nodeMaxFailures: {
    variable: "NODE_MAX_FAILURES",
    fallback: 3,
    doc: "Failures in a row after which a node is degraded and gets no new work for a while",
    parse: wholeNumber(1, 1000),
  },
  nodeRequestTimeout: seconds(
    "NODE_REQUEST_TIMEOUT",
    120,
    "How long a node may take to the first byte of a streamed answer",
  ),
  wholeAnswerTimeout: seconds(
    "WHOLE_ANSWER_TIMEOUT",
    600,
    "How long it may take to an answer with stream false, which comes when all of it is generated",
  ),
  modelLoadTimeout: seconds("MODEL_LOAD_TIMEOUT", 300, "The same while the node says that it is loading the model"),
  streamIdleTimeout: seconds("STREAM_IDLE_TIMEOUT", 60, "How long an answer may pause between two pieces"),
  requestTimeout: seconds("REQUEST_TIMEOUT", 1800, "How long a request may take altogether"),
  ipPreference: {
    variable: "IP_PREFERENCE",
    fallback: "ipv6",
    doc: `Which addresses are dialled first, or only: ${IP_PREFERENCES.join(", ")}`,
    parse: oneOf(...IP_PREFERENCES),
  } satisfies Setting<IpPreference> as Setting<IpPreference>,
  policy: {
    variable: "LB_POLICY",
    fallback: "first-token",
    doc: "first-token: where the first token is expected soonest; least-busy: fewest jobs, lowest CPU, fewest failures",
    parse: oneOf(...LB_POLICIES),
  } satisfies Setting<LbPolicy> as Setting<LbPolicy>,
  queueSize: {
    variable: "QUEUE_SIZE",
    fallback: 512,
    doc: "Requests that may wait for a free slot; more are refused with 503 (a quarter more when they are for other models)",
    parse: wholeNumber(0, 1_000_000),
  },
  queueTimeout: seconds("QUEUE_TIMEOUT", 120, "How long a request may wait for a free slot"),
  maxBodyMb: {
    variable: "MAX_BODY_MB",
    fallback: 128,
    unit: "MB",
    doc: "Largest request body; larger ones are refused with 413",
    parse: number(0.001, 4096),
  },
  maxBufferedMb: {
    variable: "MAX_BUFFERED_MB",
    fallback: null,
    fallbackShown: "1/8 of the memory",
    unit: "MB",
    doc: "Request bodies held at a time, all together; what does not fit is refused with 503 before it is read",
    parse: number(0.001, 1_000_000),
  } satisfies Setting<number | null> as Setting<number | null>,
  management: {
    variable: "MANAGEMENT",
    fallback: "on",
    doc: "off refuses pull, push, create, copy, delete and blobs",
    parse: oneOf("on", "off"),
  } satisfies Setting<"on" | "off"> as Setting<"on" | "off">,
  allowCloud: {
    variable: "ALLOW_CLOUD",
    fallback: false,
    doc: "1 lets requests for models that run at a cloud service (name:cloud) leave your machines",
    parse: flag,
  },
  allowedOrigins: {
    variable: "OLLAMA_ORIGINS",
    fallback: [],
    doc: "Web pages that may use the hub besides those of this machine: http://example.com, http://10.0.0.5:* or *",
    parse: parseOrigins,
  } satisfies Setting<AllowedOrigins> as Setting<AllowedOrigins>,
  apiKeys: {
    variable: "API_KEYS",
    fallback: [],
    doc: "Keys with commas between them, without one of which nobody gets in; viewer:KEY sees the dashboard, admin:KEY may do all",
    secret: true,
    parse: parseApiKeys,
  } satisfies Setting<readonly EnvironmentKey[]> as Setting<readonly EnvironmentKey[]>,
  allowedHosts: {
    variable: "ALLOWED_HOSTS",
    fallback: [],
    doc: "Names by which an open hub may be called besides addresses, single words and .local and its like: hub.example.org, *.example.org",
    parse: parseHosts,
  } satisfies Setting<readonly string[]> as Setting<readonly string[]>,
  trustedNetworks: {
    variable: "TRUSTED_NETWORKS",
    fallback: NO_NETWORKS,
    fallbackShown: "",
    doc: "Networks from which an open hub takes requests besides private ones: 2001:db8:1::/48, 192.0.2.0/24",
    parse: parseNetworks,
  } satisfies Setting<Networks> as Setting<Networks>,
  sourceRpm: {
    variable: "SOURCE_RPM",
    fallback: 0,
    doc: "Requests a minute of one address, or IPv6 /64, while the hub is open; 0 sets no limit",
    parse: wholeNumber(0, 1_000_000),
  },
  sourceConcurrent: {
    variable: "SOURCE_CONCURRENT",
    fallback: 1024,
    doc: "Requests of one address, or IPv6 /64, at the same time while the hub is open; 0 sets no limit",
    parse: wholeNumber(0, 1_000_000),
  },
  sourceTokensPerDay: {
    variable: "SOURCE_TOKENS_PER_DAY",
    fallback: 0,
    doc: "Tokens of one address, or IPv6 /64, a day while the hub is open; 0 sets no limit",
    parse: wholeNumber(0, 1e12),
  },
  sourceQueueShare: {
    variable: "SOURCE_QUEUE_SHARE",
    fallback: 1,
    doc: "Part of QUEUE_SIZE that one address, or IPv6 /64, may take while the hub is open",
    parse: number(0.001, 1),
  },
  drainTimeout: seconds("DRAIN_TIMEOUT", 30, "How long running requests may take when the hub is told to stop"),
  logLevel: {
    variable: "LOG_LEVEL",
    fallback: "INFO",
    doc: LOG_LEVELS.join(", "),
    parse: oneOf(...LOG_LEVELS),
  } satisfies Setting<LogLevel> as Setting<LogLevel>,
  logPrompts: {
    variable: "LOG_PROMPTS",
    fallback: true,
    doc: "0 leaves prompts, messages and images out of the request log",
    parse: flag,
  },
  stateDir: STATE_DIR,
  ...TLS_SETTINGS,
  join: {
    variable: "JOIN",
    fallback: "auto",
    doc: "closed takes no unknown node without a JOIN_TOKEN, open takes any, auto is closed once a token was made",
    parse: oneOf("auto", "open", "closed"),
  } satisfies Setting<"auto" | "open" | "closed"> as Setting<"auto" | "open" | "closed">,
  useEnvProxy: {
    variable: "USE_ENV_PROXY",
    fallback: false,
    doc: "1 sends requests to nodes through http_proxy and its like, which are not obeyed otherwise",
    parse: flag,
  },
};

/** What the table says, and the folder that `STATE_DIR` or its absence comes down to. */
export type HubConfig = Omit<Values<typeof HUB_SETTINGS>, "stateDir"> & { readonly stateDir: string };

/** Reads the hub's configuration. Throws ConfigError, naming every bad variable and every contradiction. */
export function readHubConfig(environment: Environment): HubConfig {
  const read = readSettings(HUB_SETTINGS, environment);
  // A long NODE_REQUEST_TIMEOUT that was set before there were limits of their own lengthens these limits' defaults.
  const atLeast = (name: "modelLoadTimeout" | "wholeAnswerTimeout") => {
    const unset = (environment[HUB_SETTINGS[name].variable] ?? "").trim() === "";
    return unset ? Math.max(read[name], read.nodeRequestTimeout) : read[name];
  };
  const config = {
    ...read,
    stateDir: stateFolder(read.stateDir, environment),
    modelLoadTimeout: atLeast("modelLoadTimeout"),
    wholeAnswerTimeout: atLeast("wholeAnswerTimeout"),
  };
  const problems: string[] = [];
  checkTlsFiles(config);
  if (config.heartbeatInterval * 2 > config.heartbeatTtl) {
    problems.push(
      `HEARTBEAT_TTL_SECONDS=${config.heartbeatTtl} is less than two times HEARTBEAT_INTERVAL=${config.heartbeatInterval}: ` +
        "one lost heartbeat would take a healthy node offline",
    );
  }
  if (config.heartbeatTtl >= config.heartbeatOffline) {
    problems.push(
      `HEARTBEAT_OFFLINE_SECONDS=${config.heartbeatOffline} must be more than HEARTBEAT_TTL_SECONDS=${config.heartbeatTtl}: ` +
        "a node would be removed before it is shown as offline",
    );
  }
  if (config.modelLoadTimeout < config.nodeRequestTimeout) {
    problems.push(
      `MODEL_LOAD_TIMEOUT=${config.modelLoadTimeout} must not be less than NODE_REQUEST_TIMEOUT=${config.nodeRequestTimeout}`,
    );
  }
  if (config.maxBufferedMb !== null && config.maxBufferedMb < config.maxBodyMb) {
    problems.push(
      `MAX_BUFFERED_MB=${config.maxBufferedMb} must not be less than MAX_BODY_MB=${config.maxBodyMb}: ` +
        "a body of that size could never be taken",
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}
