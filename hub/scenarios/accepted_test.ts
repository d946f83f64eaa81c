/** A request that was let in is not lost to a machine that is only being started again, nor to a full room. */
import { expect, test } from "bun:test";
import { type FakeNode, jsonResponse, startFakeNode } from "../../shared/testing/fake_node.ts";
import { signedHeartbeat } from "../../shared/testing/signed_heartbeat.ts";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually, type TestHub } from "../../shared/testing/start_hub.ts";

const ask = (hub: TestHub, changes: object = {}): Promise<Response> =>
  fetch(`${hub.url}/api/generate`, {
    method: "POST",
    body: JSON.stringify({ model: "llama3", prompt: "hi", stream: false, ...changes }),
  });

const waiting = async (hub: TestHub) =>
  ((await (await fetch(`${hub.url}/queue`)).json()) as { waiting: number }).waiting;

/** The one slot of node a, which a first request holds, and `count` requests that wait for it. */
async function crowded(fleet: Fleet, count: number) {
  const holding = ask(fleet.hub);
  await eventually(async () => expect((await fleet.hub.nodeThat("a", () => true)).active_jobs).toBe(1));
  const waiters = Array.from({ length: count }, () => ask(fleet.hub));
  await eventually(async () => expect(await waiting(fleet.hub)).toBe(count));
  return [holding, ...waiters];
}

const statuses = async (answers: readonly Promise<Response>[]) =>
  (await Promise.all(answers)).map(({ status }) => status);

test("those who wait for the only node with their model outlive a restart of its agent", async () => {
  await using fleet = await startFleet({ nodes: ["a"], slots: 1, ollama: { tokens: 4, tokensPerSecond: 10 } });
  const answers = await crowded(fleet, 3);
  await fleet.node("a").drain();
  await fleet.hub.nodeThat("a", ({ intent }) => intent === "left");
  await fleet.revive("a");
  expect(await statuses(answers)).toEqual([200, 200, 200, 200]);
});

test("who comes while the only node with the model is away is told at once when to come again", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  await fleet.node("a").drain();
  await fleet.hub.nodeThat("a", ({ intent }) => intent === "left");
  for (const path of ["/api/generate", "/v1/chat/completions", "/jobs"]) {
    const body = JSON.stringify({ model: "llama3", prompt: "hi", messages: [{ role: "user", content: "hi" }] });
    const answer = await fetch(fleet.hub.url + path, { method: "POST", body });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
  }
});

test("those who wait outlive a restart of Ollama", async () => {
  await using fleet = await startFleet({ nodes: ["a"], slots: 1, ollama: { tokens: 4, tokensPerSecond: 10 } });
  const { node_id, models, ...a } = await fleet.hub.nodeThat("a", () => true);
  const answers = await crowded(fleet, 2);
  const health = (ok: boolean) =>
    signedHeartbeat(fleet.hub.url, {
      node_id,
      models: [...models],
      ipv4: a.ipv4,
      port: fleet.node("a").port,
      slots: 1,
      ollama: { ok },
      capabilities: ["ollama"],
    });
  await health(false);
  expect((await answers[0])?.status).toBe(200);
  expect(await waiting(fleet.hub)).toBe(2);
  await health(true);
  expect(await statuses(answers)).toEqual([200, 200, 200]);
});

test("a request whose node fails while the room is full still waits for another one", async () => {
  await using fleet = await startFleet({
    nodes: ["b"],
    slots: 1,
    ollama: { tokens: 6, tokensPerSecond: 10, loaded: [] },
    hub: { environment: { QUEUE_SIZE: "2" } },
  });
  let fail: (() => void) | null = null;
  using bad: FakeNode = startFakeNode({
    nodeId: "a",
    onJob: (socket) => {
      const broken = () => void socket.write(jsonResponse({ error: "broken" }, 500));
      if (fail) broken();
      else fail = broken;
    },
  });
  await fleet.hub.heartbeat({ ...bad.heartbeat(), loaded: ["llama3:latest"], slots: 1, capabilities: ["ollama"] });
  const first = ask(fleet.hub);
  await eventually(() => expect(bad.jobs).toBe(1));
  const rest = Array.from({ length: 3 }, () => ask(fleet.hub));
  await eventually(async () => expect(await waiting(fleet.hub)).toBe(2));
  (fail as (() => void) | null)?.();
  expect((await first).status).toBe(200);
  await Promise.all(rest);
});

test("a request pinned to a busy node does not keep others out of an idle one, even in a full room", async () => {
  await using fleet = await startFleet({
    slots: 1,
    ollama: { tokens: 6, tokensPerSecond: 10 },
    hub: { environment: { QUEUE_SIZE: "2" } },
  });
  const pinned = () =>
    fetch(`${fleet.hub.url}/api/generate`, {
      method: "POST",
      headers: { "x-node-id": "a" },
      body: JSON.stringify({ model: "llama3", prompt: "hi", stream: false }),
    });
  const first = pinned();
  await eventually(async () => expect((await fleet.hub.nodeThat("a", () => true)).active_jobs).toBe(1));
  const held = [first, pinned(), pinned()];
  await eventually(async () => expect(await waiting(fleet.hub)).toBe(2));
  const free = await ask(fleet.hub);
  expect([free.status, free.headers.get("x-node-id")]).toEqual([200, "b"]);
  expect(await statuses(held)).toEqual([200, 200, 200]);
});
