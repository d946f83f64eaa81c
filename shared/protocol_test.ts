import { expect, test } from "bun:test";
import { describeIssues } from "./errors.ts";
import { executeRequest, type HeartbeatBody, heartbeat, nodeHealth } from "./protocol.ts";

/** The heartbeat of the user's own agent, as GET /nodes of their hub shows it. */
const older: HeartbeatBody = {
  node_id: "ollama-node-1",
  ipv4: "192.168.1.100",
  ipv6: "2401:4900:8898:97bf:ca46:8cc3:6e3:1a5b",
  port: 8001,
  models: ["qwen2.5:7b", "llama3"],
  metadata: { hostname: "node1" },
  load: { cpu: 0.25, memory: 0.45 },
};

/** What is wrong with `body`, or the heartbeat it is. */
function read(body: unknown): unknown {
  const parsed = heartbeat.safeParse(body);
  return parsed.success ? parsed.data : describeIssues(parsed.error);
}

test("an older agent's heartbeat is valid and stays as it is", () => {
  expect(read(older)).toEqual(older);
});

test("the least an agent can say is its name, port and models", () => {
  expect(read({ node_id: "a", port: 1, models: [] })).toEqual({
    node_id: "a",
    port: 1,
    models: [],
    ipv4: null,
    ipv6: null,
    metadata: {},
  });
});

test("null is as good as absent for every optional field", () => {
  const optional = ["ipv4", "ipv6", "load", "slots", "loaded", "boot_id", "seq", "ollama", "agent_version"];
  const more = ["capabilities", "gpu", "intent"];
  const nulls = Object.fromEntries([...optional, ...more].map((field) => [field, null]));
  expect(read({ ...older, ...nulls })).toBeObject();
});

test("a heartbeat of this version brings all it has", () => {
  const full = {
    ...older,
    slots: 2,
    loaded: ["llama3"],
    boot_id: "b",
    seq: 0,
    ollama: { ok: true, version: "0.12.6" },
    agent_version: "0.1.0",
    capabilities: ["ollama"],
    gpu: [{ name: "RTX 4090", utilization: 0.5, memory_used: 1, memory_total: 2 }],
    intent: "serving",
  };
  expect(read(full)).toEqual(full);
});

test("fields of a later version are not taken for errors", () => {
  expect(read({ ...older, from_the_future: { a: 1 } })).toEqual(older);
});

test.each<[field: string, value: unknown, sentence: string]>([
  ["node_id", undefined, "node_id: is required (string)"],
  ["node_id", "", "node_id: expected 1 to 128 letters, digits, '.', '_' or '-', such as gaming-pc"],
  ["node_id", "../etc", "node_id: expected 1 to 128 letters, digits, '.', '_' or '-', such as gaming-pc"],
  ["node_id", "a b", "node_id: expected 1 to 128 letters, digits, '.', '_' or '-', such as gaming-pc"],
  ["node_id", "a\n", "node_id: expected 1 to 128 letters, digits, '.', '_' or '-', such as gaming-pc"],
  ["node_id", "n".repeat(129), "node_id: expected 1 to 128 letters, digits, '.', '_' or '-', such as gaming-pc"],
  ["ipv4", "2001:db8::1", 'ipv4: expected an IPv4 address, received "2001:db8::1"'],
  ["ipv4", "my-host", 'ipv4: expected an IPv4 address, received "my-host"'],
  ["ipv4", 7, "ipv4: expected string, received number"],
  ["ipv6", "192.0.2.1", 'ipv6: expected an IPv6 address, received "192.0.2.1"'],
  ["ipv6", "::ffff:192.0.2.1", 'ipv6: expected an IPv6 address, received "::ffff:192.0.2.1"'],
  ["port", undefined, "port: is required (number)"],
  ["port", "8001", "port: expected number, received string"],
  ["port", 80.5, "port: expected int, received number"],
  ["models", undefined, "models: is required (array)"],
  ["models", "llama3", "models: expected array, received string"],
  ["models", ["llama3", 7], "models[1]: expected string, received number"],
  ["metadata", [], "metadata: expected object, received array"],
  ["load", { cpu: 0.5 }, "load.memory: is required (number)"],
  ["load", { cpu: "half", memory: 0 }, "load.cpu: expected number, received string"],
  ["ollama", {}, "ollama.ok: is required (boolean)"],
  ["gpu", [{}], "gpu[0].name: is required (string)"],
  ["capabilities", [1], "capabilities[0]: expected string, received number"],
])("%s = %j is refused by its name: %s", (field, value, sentence) => {
  expect(read({ ...older, [field]: value })).toBe(sentence);
});

test.each<[field: string, value: unknown]>([
  ["port", 0],
  ["port", 65536],
  ["slots", 0],
  ["slots", 1025],
  ["seq", -1],
  ["intent", "lazy"],
  ["models", [""]],
  ["models", ["m".repeat(513)]],
  ["boot_id", "b".repeat(65)],
  ["capabilities", Array(65).fill("x")],
])("%s = %j is out of bounds and refused by its name", (field, value) => {
  expect(read({ ...older, [field]: value })).toStartWith(field);
});

test("addresses become canonical, and an empty one is none", () => {
  expect(read({ ...older, ipv4: "::ffff:192.0.2.1", ipv6: "2001:DB8:0::1" })).toMatchObject({
    ipv4: "192.0.2.1",
    ipv6: "2001:db8::1",
  });
  expect(read({ ...older, ipv4: "", ipv6: "" })).toMatchObject({ ipv4: null, ipv6: null });
});

test("a ratio that strays a little is bent back, and does not lose the node", () => {
  expect(read({ ...older, load: { cpu: 1.02, memory: -0.01 } })).toMatchObject({ load: { cpu: 1, memory: 0 } });
});

test("an older agent's health has two fields, and later ones do not disturb", () => {
  expect(nodeHealth.parse({ status: "ok", node_id: "a" })).toEqual({ status: "ok", node_id: "a" });
  expect(nodeHealth.safeParse({ status: "ok", node_id: "a", extra: 1 }).success).toBe(true);
  expect(nodeHealth.safeParse({ status: "ok" }).success).toBe(false);
});

test("a job keeps the fields nobody named", () => {
  const job = { model: "llama3", prompt: "x", images: ["aGk="], keep_alive: -1, format: { type: "object" } };
  expect(executeRequest.parse(job)).toEqual(job);
});

test("a boot id that is signed holds nothing that could make one text of two; an older agent's may be anything", () => {
  const keyed = { ...older, public_key: "A".repeat(43) };
  for (const field of ["boot_id", "hub_boot_id"]) {
    expect(read({ ...keyed, [field]: crypto.randomUUID() })).toBeObject();
    expect(read({ ...older, [field]: "Mon Nov 23\n06:00" })).toBeObject();
    for (const bad of ["a\nb", "a\r", "a b", "\u0000", ""]) {
      expect(read({ ...keyed, [field]: bad })).toContain("expected boot_id and hub_boot_id of 1 to 64 letters");
    }
  }
});
