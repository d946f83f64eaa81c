import { describe, expect, test } from "bun:test";
import { ConfigError } from "../shared/settings.ts";
import { nodeHelp, nodeSettings, parseNodeConfig } from "./config.ts";

describe("parseNodeConfig", () => {
  test("an empty environment gives the documented defaults", () => {
    expect(parseNodeConfig({ XDG_STATE_HOME: "/state" }, "gaming-pc")).toEqual({
      serverUrl: "http://localhost:8000",
      nodeId: "gaming-pc",
      host: "::",
      port: 8001,
      ollamaUrl: "http://127.0.0.1:11434",
      heartbeatIntervalMs: 30_000,
      slots: 4,
      advertiseIPv4: "detect",
      advertiseIPv6: "detect",
      drainTimeoutMs: 120_000,
      logLevel: "INFO",
      useEnvironmentProxy: false,
      stateDir: "/state/ollama-connector",
      joinToken: null,
      tls: { tlsCert: null, tlsKey: null, tlsClientCa: null },
      hubCa: null,
    });
  });

  test.each([
    ["Kitchen's iMac.local", "Kitchen-s-iMac.local"],
    ["-böx", "b-x"],
    ["___", "node"],
    ["", "node"],
    ["a".repeat(200), "a".repeat(128)],
  ])("a host name %p becomes the node id %p", (machine, expected) => {
    expect(parseNodeConfig({}, machine).nodeId).toBe(expected);
  });

  test.each([
    [{ NODE_SLOTS: "2", OLLAMA_NUM_PARALLEL: "8" }, 2],
    [{ OLLAMA_NUM_PARALLEL: "8" }, 8],
    [{ OLLAMA_NUM_PARALLEL: "0" }, 4],
    [{ NODE_SLOTS: "" }, 4],
  ])("%p gives %p slots", (environment, slots) => {
    expect(parseNodeConfig(environment, "m").slots).toBe(slots);
  });

  test.each([
    [{ ADVERTISE_IPV4: "none" }, "none"],
    [{ ADVERTISE_IPV4: "192.168.1.20" }, { family: "IPv4", text: "192.168.1.20" }],
    [{ ADVERTISE_IPV4: "" }, "detect"],
  ] as const)("%p is read as the override %p", (environment, expected) => {
    expect(parseNodeConfig(environment, "m").advertiseIPv4).toEqual(expected);
  });

  test("an advertised IPv6 address may come in brackets and is written canonically", () => {
    const config = parseNodeConfig({ ADVERTISE_IPV6: "[FD00:0:0::1]" }, "m");
    expect(config.advertiseIPv6).toEqual({ family: "IPv6", text: "fd00::1" });
  });

  test.each([
    ["NODE_ID", "my node", "expected 1 to 128 letters"],
    ["NODE_PORT", "70000", "whole number from 0 to 65535"],
    ["NODE_PORT", "443", "below 1024"],
    ["ADVERTISE_IPV4", "fd00::1", "not an IPv4 address"],
    ["ADVERTISE_IPV6", "yes", "not an IPv6 address"],
    ["HEARTBEAT_INTERVAL", "0", "number from 1 to 600"],
    ["NODE_SLOTS", "0", "whole number from 1 to 1024"],
    ["OLLAMA_BASE_URL", "http://:x", "URL such as"],
    ["NODE_HOST", "nowhere", "address such as"],
    ["LOG_LEVEL", "loud", "one of DEBUG"],
  ])("%s=%s is refused with a sentence that says what would be right", (variable, value, words) => {
    const attempt = () => parseNodeConfig({ [variable]: value }, "m");
    expect(attempt).toThrow(ConfigError);
    expect(attempt).toThrow(words);
    expect(attempt).toThrow(`${variable}=${value}`);
  });

  test("every bad variable is named at once", () => {
    expect(() => parseNodeConfig({ NODE_PORT: "x", NODE_SLOTS: "x" }, "m")).toThrow(/NODE_PORT[\s\S]*NODE_SLOTS/);
  });

  test("the help lists every variable with its default", () => {
    const help = nodeHelp();
    for (const [variable, fallback] of nodeSettings()) {
      expect(help).toContain(variable);
      expect(help).toContain(fallback);
    }
  });
});
