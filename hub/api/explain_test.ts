/** What POST /explain says is what happens, on a real fleet, and it touches nothing. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Socket } from "bun";
import { z } from "zod";
import { jsonResponse, startFakeNode } from "../../shared/testing/fake_node.ts";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";
import type { Explanation } from "../policy/explain.ts";
import { askFamily, FAMILIES, JOBS } from "../testing/families.ts";
import type { describeRequest } from "./logs.ts";
import { explanation, keptDecision } from "./openapi/explain.ts";

const MODELS = ["llama3:latest", "phi3:latest"];

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet({
    nodes: ["a", "b"],
    slots: 1,
    ollama: { models: MODELS, loaded: MODELS, tokensPerSecond: 100 },
    ollamas: { b: { models: [...MODELS, "only-b:latest"] } },
  });
});
afterAll(() => fleet[Symbol.asyncDispose]());

interface Asked {
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly url?: string;
}

function ask(body: unknown, { path, headers = {}, url = fleet.hub.url }: Asked = {}): Promise<Response> {
  const query = path === undefined ? "" : `?path=${encodeURIComponent(path)}`;
  const text = typeof body === "string" || body instanceof FormData ? body : JSON.stringify(body);
  return fetch(`${url}/explain${query}`, { method: "POST", headers, body: text });
}

async function explained(body: unknown, asked: Asked = {}): Promise<Explanation> {
  const answer = await ask(body, asked);
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
  return (await answer.json()) as Explanation;
}

async function refused(body: unknown, asked: Asked = {}): Promise<[status: number, detail: string]> {
  const answer = await ask(body, asked);
  return [answer.status, ((await answer.json()) as { detail: string }).detail];
}

const everywhere = [JOBS, ...FAMILIES];

test("on every route it names the node that the next request then goes to, and its routes", async () => {
  for (const family of everywhere) {
    const { path, body } = family;
    const explanation = await explained({ model: "llama3", ...body }, { path });
    expect(explanation).toMatchObject({ outcome: "node", model: "llama3", endpoint: path });
    const [first, second] = explanation.nodes;
    expect(first).toMatchObject({ node_id: String(explanation.node_id), rank: 1, eligible: true, decided_by: null });
    expect(second).toMatchObject({ rank: 2, eligible: true, decided_by: expect.any(String) });
    expect(first?.routes).toMatchObject([{ family: "IPv4", address: "127.0.0.1" }]);
    const answer = await askFamily(fleet.hub.url, family);
    expect([path, answer.headers.get("x-node-id")]).toEqual([path, explanation.node_id]);
    await answer.text();
  }
});

test("it sends nothing to any node, is not logged, and holds nothing of the body afterwards", async () => {
  // Probes and heartbeats go on, so what counts is what runs or names a model.
  const asked = (id: string) => fleet.ollama(id).seen.filter(({ method }) => method === "POST").length;
  const [before, logged] = [[asked("a"), asked("b")], await fleet.hub.logs(1000)];
  for (const { path, body } of everywhere) {
    await explained({ model: "llama3", ...body, more: "x".repeat(100_000) }, { path });
    await explained({ model: "nobody-has-it", ...body }, { path });
  }
  await ask("{", {});
  expect([asked("a"), asked("b")]).toEqual(before);
  expect((await fleet.hub.logs(1000)).length).toBe(logged.length);
  expect(await (await fetch(`${fleet.hub.url}/queue`)).json()).toMatchObject({ bodies: { held: 0 } });
});

test("a model and nothing else is enough, on every route and by any spelling of its name", async () => {
  for (const { path } of [...everywhere, { path: "/v1/audio/transcriptions" }]) {
    expect([path, await explained({ model: "only-b:LATEST" }, { path })]).toMatchObject([path, { node_id: "b" }]);
  }
  expect(await explained({ model: "only-b" })).toMatchObject({
    endpoint: "/jobs",
    summary: "b gets it: no other node can serve it now. a does not have the model.",
  });
  const form = new FormData();
  form.append("model", "only-b");
  form.append("file", new Blob(["RIFF"]), "x.wav");
  expect(await explained(form, { path: "/v1/audio/transcriptions" })).toMatchObject({ node_id: "b" });
});

test("a model that nobody has, one at a cloud service, one that is not named", async () => {
  expect(await explained({ model: "nope" })).toMatchObject({
    outcome: "none",
    node_id: null,
    summary: "No node can serve it: none has the model.",
    nodes: [
      { eligible: false, reason: "model not there", why: "does not have the model" },
      { eligible: false, reason: "model not there" },
    ],
  });
  const cloud = await explained({ model: "gpt-oss:120b-cloud" }, { path: "/v1/messages" });
  expect(cloud).toMatchObject({ outcome: "none", summary: expect.stringMatching(/cloud service.*\(ALLOW_CLOUD\)\.$/) });
  expect(await explained({ prompt: "hi" }, { path: "/api/generate" })).toMatchObject({
    model: null,
    outcome: "node",
    nodes: [{ rank: 1 }, { rank: 2 }],
  });
  // The route itself takes no job without a model.
  expect(await refused({ prompt: "hi" })).toEqual([400, "model: is required (string)"]);
});

test("X-Node-Id is respected, also where there is no such node", async () => {
  const headers = { "x-node-id": "a" };
  expect(await explained({ model: "llama3" }, { headers })).toMatchObject({
    node_id: "a",
    summary: "a gets it: the request asks for that node (X-Node-Id).",
    nodes: [{ node_id: "a" }, { node_id: "b", reason: "not the node asked for" }],
  });
  expect(await explained({ model: "only-b" }, { headers })).toMatchObject({
    outcome: "none",
    summary: "No node can serve it: it asks for a (X-Node-Id), which does not have the model.",
  });
  expect((await explained({ model: "llama3" }, { headers: { "x-node-id": "attic" } })).summary).toBe(
    'No node can serve it: it asks for "attic" (X-Node-Id), and there is no node of that name.',
  );
});

test("every field of an explanation and of a kept one is described", async () => {
  expect(explanation.strict().safeParse(await explained({ model: "llama3" })).error?.message).toBeUndefined();
  const answer = await fleet.hub.job({ model: "llama3", prompt: "hi", stream: false });
  await answer.text();
  const { decisions } = await story(answer.headers.get("x-request-id"));
  expect(z.array(keptDecision.strict()).min(1).safeParse(decisions).error?.message).toBeUndefined();
});

test("a request that takes a model out of memory goes to all that have it there", async () => {
  const unload = { model: "llama3", keep_alive: 0 };
  const { summary, outcome } = await explained(unload, { path: "/api/generate" });
  expect([outcome, summary]).toEqual([
    "node",
    "It takes the model out of memory, and goes to every node that has it there: a, b.",
  ]);
});

test("what cannot be read is refused with a sentence, and an unknown path with those there are", async () => {
  for (const path of ["/jobs", "/api/chat", "/v1/audio/transcriptions"]) {
    for (const body of ["", "{", "no JSON", "7"]) {
      const [status, detail] = await refused(body, { path });
      expect([path, body, status]).toEqual([path, body, 400]);
      expect(detail).toMatch(/^The (body|form) |expected object/);
    }
  }
  const [status, detail] = await refused({ model: "llama3" }, { path: "/api/tags" });
  expect(status).toBe(400);
  for (const { path } of everywhere) expect(detail).toContain(path);
});

test("its body is bounded like every other", async () => {
  const hub = startTestHub({ environment: { MAX_BODY_MB: "0.001" } });
  const [status, detail] = await refused({ model: "llama3", more: "x".repeat(2000) }, { url: hub.url });
  expect([status, detail]).toEqual([413, "The body is larger than 0.001 MB (MAX_BODY_MB)"]);
  expect((await explained({ model: "llama3" }, { url: hub.url })).summary).toBe(
    "No node can serve it: no node has joined this hub.",
  );
  await hub.stop();
});

async function story(id: string | null) {
  const answer = await fetch(`${fleet.hub.url}/logs/${id}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as ReturnType<typeof describeRequest>;
}

test("while all are busy it says what a request waits for; the log of one that waited has both decisions", async () => {
  const body = (tokens: number) => ({ model: "llama3", prompt: "hi", options: { num_predict: tokens } });
  const post = (tokens: number) =>
    fetch(`${fleet.hub.url}/api/generate`, { method: "POST", body: JSON.stringify(body(tokens)) });
  const running = [await post(60), await post(60)];
  expect(await explained(body(1), { path: "/api/generate" })).toMatchObject({
    outcome: "wait",
    node_id: null,
    summary: "It waits: a (1 of 1 slots used) and b (1 of 1 slots used) have no free slot.",
    nodes: [
      { reason: "full", passes_soon: true, why: "has no free slot (1 of 1 slots used)" },
      { reason: "full", values: { active_jobs: 1, slots: 1, in_memory: true } },
    ],
  });
  const waiting = post(1);
  await eventually(async () => {
    const { summary } = await explained(body(1), { path: "/api/generate" });
    expect(summary).toEndWith(" One request for the same model waits already and goes first.");
  });
  const waited = await waiting;
  await waited.text();
  for (const each of running) await each.text();
  const { decisions, ...record } = await story(waited.headers.get("x-request-id"));
  expect(decisions).toMatchObject([
    { outcome: "wait", endpoint: "/api/generate", model: "llama3", nodes: [{ reason: "full" }, { reason: "full" }] },
    { outcome: "node", node_id: waited.headers.get("x-node-id") },
  ]);
  const [first, second] = decisions;
  expect(second?.at_ms).toBeGreaterThanOrEqual((first?.at_ms ?? 0) + Math.floor(record.queued_ms));
  expect(Date.parse(second?.at ?? "") - Date.parse(record.timestamp)).toBe(Math.trunc(second?.at_ms ?? 0));
  const listed = await fleet.hub.logs(1);
  expect(Object.keys(listed[0] ?? {})).not.toContain("decisions");
});

test("the log of a request that failed at a node has a decision for every node it went to", async () => {
  const hub = startTestHub();
  const outOfOrder = { onJob: (socket: Socket<undefined>) => void socket.end(jsonResponse({ error: "no" }, 500)) };
  using x = startFakeNode({ nodeId: "x", ...outOfOrder });
  using y = startFakeNode({ nodeId: "y", ...outOfOrder });
  for (const node of [x, y]) await hub.heartbeat(node.heartbeat(["m"]));
  const answer = await hub.job({ model: "m", prompt: "hi" });
  expect(answer.status).toBe(503);
  const log = await fetch(`${hub.url}/logs/${answer.headers.get("x-request-id")}`);
  const { decisions, attempts } = (await log.json()) as ReturnType<typeof describeRequest>;
  expect(decisions.map(({ node_id }) => node_id).slice(0, 2)).toEqual(attempts.map(({ node_id }) => node_id));
  expect(decisions[1]?.nodes.find(({ node_id }) => node_id === decisions[0]?.node_id)?.reason).toBe("already tried");
  await hub.stop();
});
