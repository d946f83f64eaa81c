import { expect, test } from "bun:test";
import { ANY_MODEL, modelKey } from "../shared/model_name.ts";
import type { HeartbeatBody } from "../shared/protocol.ts";
import type { Job } from "./job.ts";
import { whyNobody } from "./no_node.ts";
import { fakeFleet } from "./testing/fake_fleet.ts";
import { LIMITS } from "./testing/node_facts.ts";

type Asked = Partial<Job["needs"]> & { readonly model?: string; readonly underWay?: boolean };
const agent = { capabilities: ["execute", "ollama"] };

function whyWith(
  nodes: readonly Partial<HeartbeatBody>[],
  { model = "llama3", underWay = false, ...needs }: Asked = {},
) {
  const fleet = fakeFleet();
  for (const node of nodes) fleet.beat({ ...agent, ...node });
  const key = model === "" ? ANY_MODEL : modelKey(model);
  const job = { key, needs: { capability: "ollama", nodeId: null, slot: true, ...needs } as const };
  return whyNobody(job as Job, { registry: fleet.registry, liveness: LIMITS, comeback: { underWay } });
}

test.each<[what: string, nodes: Partial<HeartbeatBody>[]]>([
  ["no node has it", [{ models: ["mistral"] }, { node_id: "b", models: [] }]],
  ["an older agent has other models only", [{ models: ["mistral"], capabilities: [] }]],
])("a model is unknown when %s", (_, nodes) => {
  expect(whyWith(nodes)).toEqual({ kind: "unknown_model" });
});

test("while nodes come back after a restart of the hub, no model is known to be unknown", () => {
  expect(whyWith([{ models: ["mistral"] }], { underWay: true })).toEqual({
    kind: "no_node",
    reasons: ["the hub was restarted, and not all nodes are back yet"],
  });
});

test("in a fleet without nodes it is not known to be unknown", () => {
  expect(whyWith([])).toEqual({ kind: "no_node", reasons: [] });
});

test.each<[what: string, node: Partial<HeartbeatBody>, reason: string]>([
  ["drains", { intent: "draining" }, "a: draining"],
  ["has left", { intent: "left" }, "a: left"],
  ["has no Ollama", { ollama: { ok: false } }, "a: Ollama not answering"],
  ["is an older agent", { capabilities: [] }, "a: agent too old"],
  ["has no address", { ipv4: null, ipv6: null }, "a: no usable address"],
  ["could serve it", {}, "a: taken just now"],
])("of a node that has the model and %s it is told, and of one that has not it nothing", (_, node, reason) => {
  const nodes = [node, { node_id: "b", models: ["mistral"] }];
  expect(whyWith(nodes)).toEqual({ kind: "no_node", reasons: [reason] });
  expect(whyWith(nodes, { nodeId: "a" })).toEqual({ kind: "no_node", reasons: [reason] });
});

test("every node that has the model is named with its reason", () => {
  const nodes = [{ intent: "draining" as const }, { node_id: "b", ollama: { ok: false } }];
  expect(whyWith(nodes)).toEqual({ kind: "no_node", reasons: ["a: draining", "b: Ollama not answering"] });
});

test("a node that was asked for and is not there, or lacks the model, is said to be so", () => {
  const nodes = [{}, { node_id: "b", models: ["mistral"] }];
  expect(whyWith(nodes, { nodeId: "z" })).toEqual({
    kind: "pin_impossible",
    message: expect.stringContaining('there is no node "z" (X-Node-Id)'),
  });
  expect(whyWith(nodes, { nodeId: "b" })).toEqual({
    kind: "pin_impossible",
    message: "node b (X-Node-Id) does not have the model",
  });
});

test("a request that names no model lacks none", () => {
  expect(whyWith([{ intent: "draining", models: [] }], { model: "" })).toMatchObject({ kind: "no_node" });
  expect(whyWith([{ intent: "draining" }], { model: "", nodeId: "a" })).toMatchObject({ kind: "no_node" });
});
