/** Taking a model out of memory, and bringing it there: what `ollama stop` and an empty prompt do in a fleet. */
import { expect, test } from "bun:test";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually } from "../../shared/testing/start_hub.ts";

const post = (
  fleet: Fleet,
  path: string,
  body: object,
  headers: Record<string, string> = {},
  signal: AbortSignal | null = null,
) =>
  fetch(fleet.hub.url + path, { method: "POST", headers, body: JSON.stringify({ model: "llama3", ...body }), signal });

const inMemory = async (fleet: Fleet, id: string): Promise<number> => {
  const ps = (await (await fetch(`${fleet.ollama(id).url}/api/ps`)).json()) as { models: unknown[] };
  return ps.models.length;
};

/** How often a node's Ollama was asked to run or unload something. */
const asked = (fleet: Fleet, id: string) =>
  fleet.ollama(id).seen.filter(({ path }) => /generate|chat/.test(path)).length;

test.each([
  ["/api/generate", { keep_alive: 0 }],
  ["/api/generate", { keep_alive: "0s", prompt: "" }],
  ["/api/chat", { keep_alive: 0, messages: [] }],
  ["/api/chat", { keep_alive: "0s", stream: false }],
] as const)("%s with %j reaches every node that has the model in memory, and one answer comes", async (path, body) => {
  await using fleet = await startFleet({ nodes: ["a", "b", "c"], ollamas: { c: { loaded: [] } } });
  const answer = await post(fleet, path, body);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect(answer.headers.get("x-attempts")).toBe("2");
  expect(await answer.json()).toMatchObject({ model: "llama3", done: true, done_reason: "unload" });
  for (const id of ["a", "b"]) await eventually(async () => expect(await inMemory(fleet, id)).toBe(0));
  expect(["a", "b", "c"].map((id) => asked(fleet, id))).toEqual([1, 1, 0]);
  const [logged, ...others] = await fleet.hub.logs();
  expect(others).toEqual([]);
  expect(logged).toMatchObject({ status_code: 200, success: true, error: null });
  expect(logged?.attempts.map(({ node_id, outcome }) => `${node_id} ${outcome}`).toSorted()).toEqual(["a ok", "b ok"]);
});

test("a node that is just loading the model is asked as well, and a node that is not is left alone", async () => {
  await using fleet = await startFleet({ nodes: ["a", "b", "c"], ollama: { loaded: [] } });
  fleet.ollama("b").configure({ loadMs: 3_000 });
  const leaving = new AbortController();
  const loading = post(fleet, "/api/generate", { prompt: "hi" }, { "X-Node-Id": "b" }, leaving.signal).catch(
    () => null,
  );
  await fleet.hub.nodeThat("b", ({ active_jobs }) => active_jobs === 1);
  await eventually(() => expect(asked(fleet, "b")).toBe(1));
  expect((await post(fleet, "/api/generate", { keep_alive: 0 })).headers.get("x-node-id")).toBe("b");
  expect(["a", "b", "c"].map((id) => asked(fleet, id))).toEqual([0, 2, 0]);
  leaving.abort();
  await loading;
});

test("when no node has it in memory, one says so all the same", async () => {
  await using fleet = await startFleet({ ollama: { loaded: [] } });
  const answer = await post(fleet, "/api/generate", { keep_alive: 0 });
  expect(await answer.json()).toMatchObject({ done_reason: "unload" });
  expect(asked(fleet, "a") + asked(fleet, "b")).toBe(1);
});

test("a model that no node has is not there to be unloaded either", async () => {
  await using fleet = await startFleet();
  const answer = await post(fleet, "/api/generate", { model: "nope", keep_alive: 0 });
  expect([answer.status, await answer.json()]).toEqual([404, { error: "model 'nope' not found" }]);
});

test("an unload for one node leaves the others alone", async () => {
  await using fleet = await startFleet();
  const answer = await post(fleet, "/api/generate", { keep_alive: 0 }, { "X-Node-Id": "b" });
  expect([answer.status, answer.headers.get("x-node-id")]).toEqual([200, "b"]);
  expect([asked(fleet, "a"), asked(fleet, "b")]).toEqual([0, 1]);
});

test("one node that fails does not spoil the unload of the others, and the log tells of it", async () => {
  await using fleet = await startFleet({ nodes: ["a", "b", "c"] });
  await fleet.node("b").kill();
  const answer = await post(fleet, "/api/generate", { keep_alive: 0 });
  expect([answer.status, await answer.json()]).toMatchObject([200, { done_reason: "unload" }]);
  for (const id of ["a", "c"]) await eventually(async () => expect(await inMemory(fleet, id)).toBe(0));
  const [logged] = await fleet.hub.logs();
  expect(logged?.error).toContain("b: ");
});

test("a node that went away with the model in memory is no reason to refuse", async () => {
  await using fleet = await startFleet({ ollamas: { b: { loaded: [] } } });
  fleet.ollama("a").refuse({ cut: true });
  await fleet.hub.nodeThat("a", ({ ollama }) => !ollama.ok);
  const answer = await post(fleet, "/api/generate", { keep_alive: 0 });
  expect([answer.status, answer.headers.get("x-node-id")]).toEqual([200, "b"]);
});

test("nodes that are full unload all the same, and their generations go on to the end", async () => {
  await using fleet = await startFleet({ slots: 1, ollama: { firstTokenMs: 2_000 } });
  let ended = 0;
  const running = [0, 1].map(() =>
    post(fleet, "/api/generate", { prompt: "hi", stream: false }).finally(() => {
      ended++;
    }),
  );
  for (const id of ["a", "b"]) await fleet.hub.nodeThat(id, ({ active_jobs }) => active_jobs === 1);
  expect((await post(fleet, "/api/generate", { keep_alive: 0 })).status).toBe(200);
  expect(ended).toBe(0);
  for (const answer of await Promise.all(running))
    expect(await answer.json()).toMatchObject({ done: true, response: expect.any(String) });
});

test.each([
  ["/api/generate", {}],
  ["/api/generate", { prompt: "", keep_alive: "5m" }],
  ["/api/chat", { messages: [] }],
  ["/api/chat", { stream: true, keep_alive: -1 }],
] as const)("%s with %j loads the model on one node and answers one object", async (path, body) => {
  await using fleet = await startFleet({ ollama: { loaded: [], loadMs: 50 } });
  const answer = await post(fleet, path, body);
  expect(answer.status).toBe(200);
  const text = await answer.text();
  expect(text).not.toContain("\n");
  expect(JSON.parse(text)).toMatchObject({ model: "llama3", done: true, done_reason: "load" });
  expect([await inMemory(fleet, "a"), await inMemory(fleet, "b")].toSorted()).toEqual([0, 1]);
  const [logged] = await fleet.hub.logs();
  expect(logged).toMatchObject({ status_code: 200, success: true });
  // The next one goes where the model is now.
  const next = await post(fleet, "/api/generate", { prompt: "hi", stream: false });
  expect(next.headers.get("x-node-id")).toBe(answer.headers.get("x-node-id"));
});

test("a load that fails at one node is done by another", async () => {
  await using fleet = await startFleet({ ollama: { loaded: [] } });
  fleet.ollama("a").fault({ kind: "outOfMemory" });
  const answer = await post(fleet, "/api/chat", {});
  expect(await answer.json()).toMatchObject({ done_reason: "load" });
  const [logged] = await fleet.hub.logs(1);
  expect(logged?.attempts.map(({ node_id, outcome }) => `${node_id} ${outcome}`)).toEqual(["a out_of_memory", "b ok"]);
});
