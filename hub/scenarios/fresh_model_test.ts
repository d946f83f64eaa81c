/** Models that came onto a node a moment ago, before any heartbeat said so. */
import { expect, test } from "bun:test";
import { startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";
import { startNode } from "../../shared/testing/start_node.ts";
import { askFamily, GENERATING, JOBS } from "../testing/families.ts";

/** For so long the hub does not ask nodes again for models that none has. */
const LISTS_HOLD_MS = 1_000;

/** For so long a node has to tell its list. */
const NODE_PATIENCE_MS = 2_000;

/** A hub and two nodes that look at their Ollama once, when they start, and then not for an hour. */
async function blindFleet(environment: Record<string, string> = {}) {
  const hub = startTestHub({ environment });
  const ollamas = await Promise.all(["a", "b"].map(() => startFakeOllama()));
  const nodes = await Promise.all(
    ollamas.map((ollama, index) =>
      startNode({ nodeId: "ab"[index] ?? "", serverUrl: hub.url, ollamaUrl: ollama.url, ollamaLookMs: 3_600_000 }),
    ),
  );
  for (const id of ["a", "b"]) await hub.nodeThat(id, ({ models }) => models.length > 0);
  return {
    hub,
    ollama: (id: "a" | "b") => (id === "a" ? ollamas[0] : ollamas[1]),
    async [Symbol.asyncDispose]() {
      await hub.stop();
      await Promise.all(nodes.map((node) => node.stop()));
      await Promise.all(ollamas.map((ollama) => ollama.stop()));
    },
  };
}

test.each([...GENERATING, JOBS])("a model that was pulled on a node a moment ago is found on $path", async (family) => {
  await using fleet = await blindFleet();
  fleet.ollama("b")?.setModels(["llama3", "pulled"]);
  const answer = await askFamily(fleet.hub.url, family, { model: "pulled" });
  expect([answer.status, answer.headers.get("x-node-id")]).toEqual([200, "b"]);
  await answer.text();
});

test("it is found on the node that was asked for too, though another one has had it for long", async () => {
  await using fleet = await blindFleet();
  fleet.ollama("a")?.setModels(["llama3", "pulled"]);
  expect((await askFamily(fleet.hub.url, JOBS, { model: "pulled" })).status).toBe(200);
  await Bun.sleep(LISTS_HOLD_MS);
  fleet.ollama("b")?.setModels(["llama3", "pulled"]);
  const answer = await askFamily(fleet.hub.url, JOBS, { model: "pulled", headers: { "X-Node-Id": "b" } });
  expect([answer.status, answer.headers.get("x-node-id")]).toEqual([200, "b"]);
});

test("a model that was removed, asked for, and pulled again is found a second after the last look", async () => {
  await using fleet = await blindFleet();
  for (const id of ["a", "b"] as const) fleet.ollama(id)?.setModels(["other"]);
  const [chat = JOBS] = GENERATING;
  expect((await askFamily(fleet.hub.url, chat)).status).toBe(404);
  // Asking for what nobody has makes the hub look at what there is.
  expect((await askFamily(fleet.hub.url, chat, { model: "unknown" })).status).toBe(404);
  await Bun.sleep(LISTS_HOLD_MS);
  for (const id of ["a", "b"] as const) fleet.ollama(id)?.setModels(["llama3"]);
  expect((await askFamily(fleet.hub.url, chat)).status).toBe(200);
});

test("many requests for a model that nobody has ask each node for its list a few times, not many", async () => {
  await using fleet = await startFleet();
  const lists = (of: Fleet) => of.ollama("a").seen.filter(({ path }) => path === "/api/tags").length;
  const before = lists(fleet);
  const [chat = JOBS] = GENERATING;
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => askFamily(fleet.hub.url, chat, { model: "nope" })),
  );
  for (const { status } of answers) expect(status).toBe(404);
  expect(lists(fleet) - before).toBeLessThanOrEqual(5);
});

test("a frozen node holds up one request for a model that nobody has, not every one", async () => {
  await using fleet = await startFleet();
  fleet.ollama("a").fault({ kind: "hangBeforeHeaders", match: { path: "/api/tags" }, times: 50 });
  const [chat = JOBS] = GENERATING;
  const ask = async () => {
    const startedAt = performance.now();
    expect((await askFamily(fleet.hub.url, chat, { model: "nope" })).status).toBe(404);
    return performance.now() - startedAt;
  };
  await ask();
  for (let request = 0; request < 5; request++) expect(await ask()).toBeLessThan(NODE_PATIENCE_MS / 2);
});

test("a client that leaves while the hub looks for its model leaves nothing behind", async () => {
  await using fleet = await startFleet({ ollama: { loaded: [] } });
  fleet.ollama("a").fault({ kind: "hangBeforeHeaders", match: { path: "/api/tags" }, times: 5 });
  const leaving = new AbortController();
  fleet.ollama("b").setModels(["llama3", "pulled"]);
  const request = fetch(`${fleet.hub.url}/api/generate`, {
    method: "POST",
    body: JSON.stringify({ model: "pulled", prompt: "x" }),
    signal: leaving.signal,
  });
  await Bun.sleep(50);
  leaving.abort();
  await expect(request).rejects.toThrow();
  await eventually(async () => expect((await fleet.hub.logs())[0]?.status_code).toBe(499));
  const nodes = await fleet.hub.nodes();
  expect([...nodes.values()].map(({ active_jobs }) => active_jobs)).toEqual([0, 0]);
  expect(fleet.ollama("b").counters.executions).toBe(0);
});
