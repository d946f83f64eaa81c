import { expect, test } from "bun:test";
import { NO_NETWORKS, parseNetworks } from "../shared/networks.ts";
import { ConfigError, type Environment } from "../shared/settings.ts";
import { HUB_SETTINGS, readHubConfig } from "./config.ts";

/** What is wrong with `environment`, one sentence each; empty when it can work. */
function problems(environment: Environment): readonly string[] {
  try {
    readHubConfig(environment);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

/** `A=1 B=2` as an environment. */
function environmentOf(text: string): Environment {
  return Object.fromEntries(text.split(" ").map((pair) => pair.split("=")));
}

test("without any variable the hub is the user's own", () => {
  expect(readHubConfig({ XDG_STATE_HOME: "/state" })).toEqual({
    port: 8000,
    host: "::",
    heartbeatInterval: 30,
    heartbeatTtl: 90,
    heartbeatOffline: 180,
    nodeMaxFailures: 3,
    nodeRequestTimeout: 120,
    wholeAnswerTimeout: 600,
    modelLoadTimeout: 300,
    streamIdleTimeout: 60,
    requestTimeout: 1800,
    ipPreference: "ipv6",
    policy: "first-token",
    queueSize: 512,
    queueTimeout: 120,
    maxBodyMb: 128,
    maxBufferedMb: null,
    management: "on",
    allowCloud: false,
    allowedOrigins: [],
    apiKeys: [],
    allowedHosts: [],
    trustedNetworks: NO_NETWORKS,
    sourceRpm: 0,
    sourceConcurrent: 1024,
    sourceTokensPerDay: 0,
    sourceQueueShare: 1,
    drainTimeout: 30,
    logLevel: "INFO",
    logPrompts: true,
    stateDir: "/state/ollama-connector",
    join: "auto",
    tlsCert: null,
    tlsKey: null,
    tlsClientCa: null,
    useEnvProxy: false,
  });
});

test("every variable is read under its own name", () => {
  const environment = {
    PORT: "9000",
    HUB_HOST: "127.0.0.1",
    HEARTBEAT_INTERVAL: "1",
    HEARTBEAT_TTL_SECONDS: "2.5",
    HEARTBEAT_OFFLINE_SECONDS: "5",
    NODE_MAX_FAILURES: "7",
    NODE_REQUEST_TIMEOUT: "0.5",
    WHOLE_ANSWER_TIMEOUT: "9",
    MODEL_LOAD_TIMEOUT: "0.5",
    STREAM_IDLE_TIMEOUT: "0.25",
    REQUEST_TIMEOUT: "60",
    IP_PREFERENCE: "ipv4-only",
    LB_POLICY: "least-busy",
    QUEUE_SIZE: "0",
    QUEUE_TIMEOUT: "3",
    MAX_BODY_MB: "0.5",
    MAX_BUFFERED_MB: "2.5",
    MANAGEMENT: "off",
    ALLOW_CLOUD: "1",
    OLLAMA_ORIGINS: "http://example.com,https://*.example.org",
    API_KEYS: "caller-key, admin:admin-key",
    ALLOWED_HOSTS: "Hub.example.org,*.example.net",
    TRUSTED_NETWORKS: "192.0.2.0/24",
    SOURCE_RPM: "60",
    SOURCE_CONCURRENT: "8",
    SOURCE_TOKENS_PER_DAY: "100000",
    SOURCE_QUEUE_SHARE: "0.25",
    DRAIN_TIMEOUT: "4",
    LOG_LEVEL: "debug",
    LOG_PROMPTS: "0",
    STATE_DIR: "/var/lib/hub",
    JOIN: "closed",
    TLS_CERT: "/tls/cert.pem",
    TLS_KEY: "/tls/key.pem",
    TLS_CLIENT_CA: "/tls/ca.pem",
    USE_ENV_PROXY: "1",
  };
  expect(Object.keys(environment).toSorted()).toEqual(
    Object.values(HUB_SETTINGS)
      .map(({ variable }) => variable)
      .toSorted(),
  );
  expect(readHubConfig(environment)).toEqual({
    port: 9000,
    host: "127.0.0.1",
    heartbeatInterval: 1,
    heartbeatTtl: 2.5,
    heartbeatOffline: 5,
    nodeMaxFailures: 7,
    nodeRequestTimeout: 0.5,
    wholeAnswerTimeout: 9,
    modelLoadTimeout: 0.5,
    streamIdleTimeout: 0.25,
    requestTimeout: 60,
    ipPreference: "ipv4-only",
    policy: "least-busy",
    queueSize: 0,
    queueTimeout: 3,
    maxBodyMb: 0.5,
    maxBufferedMb: 2.5,
    management: "off",
    allowCloud: true,
    allowedOrigins: ["http://example.com", "https://*.example.org"],
    apiKeys: [
      { secret: "caller-key", role: "caller" },
      { secret: "admin-key", role: "admin" },
    ],
    allowedHosts: ["hub.example.org", "*.example.net"],
    trustedNetworks: parseNetworks("192.0.2.0/24"),
    sourceRpm: 60,
    sourceConcurrent: 8,
    sourceTokensPerDay: 100_000,
    sourceQueueShare: 0.25,
    drainTimeout: 4,
    logLevel: "DEBUG",
    logPrompts: false,
    stateDir: "/var/lib/hub",
    join: "closed",
    tlsCert: "/tls/cert.pem",
    tlsKey: "/tls/key.pem",
    tlsClientCa: "/tls/ca.pem",
    useEnvProxy: true,
  });
});

test.each<[variable: string, value: string, right: string]>([
  ["PORT", "http", "a whole number from 0 to 65535"],
  ["PORT", "65536", "a whole number from 0 to 65535"],
  ["PORT", "80.5", "a whole number from 0 to 65535"],
  ["HEARTBEAT_INTERVAL", "0", "a number from 0.05 to 86400"],
  ["HEARTBEAT_TTL_SECONDS", "90s", "a number from 0.05 to 86400"],
  ["HEARTBEAT_OFFLINE_SECONDS", "never", "a number from 0.05 to 86400"],
  ["NODE_MAX_FAILURES", "0", "a whole number from 1 to 1000"],
  ["NODE_REQUEST_TIMEOUT", "-1", "a number from 0.05 to 86400"],
  ["MODEL_LOAD_TIMEOUT", "Infinity", "a number from 0.05 to 86400"],
  ["STREAM_IDLE_TIMEOUT", "NaN", "a number from 0.05 to 86400"],
  ["REQUEST_TIMEOUT", "1e9", "a number from 0.05 to 86400"],
  ["IP_PREFERENCE", "both", "one of ipv6, ipv4, ipv6-only, ipv4-only"],
  ["LB_POLICY", "random", "one of first-token, least-busy"],
  ["QUEUE_SIZE", "-1", "a whole number from 0 to 1000000"],
  ["QUEUE_TIMEOUT", "x", "a number from 0.05 to 86400"],
  ["MAX_BODY_MB", "0", "a number from 0.001 to 4096"],
  ["MAX_BUFFERED_MB", "-1", "a number from 0.001 to 1000000"],
  ["DRAIN_TIMEOUT", "x", "a number from 0.05 to 86400"],
  ["LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR"],
  ["LOG_PROMPTS", "maybe", "1 nor 0"],
  ["USE_ENV_PROXY", "http://proxy", "1 nor 0"],
])("%s=%s is refused with a sentence that says what would be right", (variable, value, right) => {
  const [sentence, ...others] = problems({ [variable]: value });
  expect(others).toEqual([]);
  expect(sentence).toStartWith(`${variable}=${value} `);
  expect(sentence).toContain(right);
});

test("all bad variables are named at once", () => {
  expect(problems({ PORT: "x", LOG_LEVEL: "y" })).toHaveLength(2);
});

test.each<[text: string, names: string[]]>([
  ["HEARTBEAT_INTERVAL=50", ["HEARTBEAT_INTERVAL=50", "HEARTBEAT_TTL_SECONDS=90"]],
  ["HEARTBEAT_TTL_SECONDS=59", ["HEARTBEAT_INTERVAL=30", "HEARTBEAT_TTL_SECONDS=59"]],
  ["HEARTBEAT_TTL_SECONDS=180", ["HEARTBEAT_TTL_SECONDS=180", "HEARTBEAT_OFFLINE_SECONDS=180"]],
  ["HEARTBEAT_OFFLINE_SECONDS=60", ["HEARTBEAT_TTL_SECONDS=90", "HEARTBEAT_OFFLINE_SECONDS=60"]],
  ["MAX_BUFFERED_MB=100", ["MAX_BUFFERED_MB=100", "MAX_BODY_MB=128"]],
  ["NODE_REQUEST_TIMEOUT=200 MODEL_LOAD_TIMEOUT=100", ["NODE_REQUEST_TIMEOUT=200", "MODEL_LOAD_TIMEOUT=100"]],
])("%s contradicts itself and stops with one sentence that names both", (text, names) => {
  const [sentence, ...others] = problems(environmentOf(text));
  expect(others).toEqual([]);
  for (const name of names) expect(sentence).toContain(name);
});

test("every contradiction is told at once", () => {
  expect(problems({ HEARTBEAT_INTERVAL: "100", HEARTBEAT_TTL_SECONDS: "190" })).toHaveLength(2);
});

test.each([
  "HEARTBEAT_INTERVAL=45",
  "HEARTBEAT_TTL_SECONDS=179.9",
  "HEARTBEAT_TTL_SECONDS=60",
  "NODE_REQUEST_TIMEOUT=300",
  "MAX_BUFFERED_MB=128",
  "NODE_REQUEST_TIMEOUT=60 MODEL_LOAD_TIMEOUT=60",
])("%s is just possible", (text) => {
  expect(problems(environmentOf(text))).toEqual([]);
});

test("a long NODE_REQUEST_TIMEOUT alone, as the user may have set it, lengthens the limit for loading too", () => {
  expect(readHubConfig({ NODE_REQUEST_TIMEOUT: "600" })).toMatchObject({
    nodeRequestTimeout: 600,
    modelLoadTimeout: 600,
  });
});
