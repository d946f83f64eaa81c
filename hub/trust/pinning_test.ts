/** `X-Node-Id`: a request that one node alone may serve, on every family of routes. */
import { expect, test } from "bun:test";
import { startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually } from "../../shared/testing/start_hub.ts";
import { askFamily, FAMILIES, GENERATING, JOBS } from "../testing/families.ts";

const EMBEDDING = { name: "embed", embedding: true };
const modelOf = (path: string) => (path.includes("embed") ? "embed" : "llama3");
const everywhere = [...FAMILIES, JOBS];
const pin = (id: string) => ({ "X-Node-Id": id });

test("a request that names a node is served there and nowhere else, though others are idle", async () => {
  await using fleet = await startFleet({ nodes: ["a", "b", "c"], ollama: { models: ["llama3", EMBEDDING] } });
  for (const family of everywhere) {
    for (const id of ["c", "a", "b", "b"]) {
      const answer = await askFamily(fleet.hub.url, family, { model: modelOf(family.path), headers: pin(id) });
      expect([family.path, answer.status, answer.headers.get("x-node-id")]).toEqual([family.path, 200, id]);
      await answer.body?.cancel();
    }
  }
});

test.each(everywhere)(
  "a node that is not there, or lacks the model, is told as 404 in the shape of $path",
  async (family) => {
    await using fleet = await startFleet({ ollama: { models: ["llama3"] }, ollamas: { b: { models: ["other"] } } });
    const answer = async (id: string) => {
      const response = await askFamily(fleet.hub.url, family, { headers: pin(id) });
      return [response.status, family.errorIn(await response.json())];
    };
    expect(await answer("nobody")).toEqual([
      404,
      'there is no node "nobody" (X-Node-Id): the nodes of this hub are a, b',
    ]);
    expect(await answer("b")).toEqual([404, "node b (X-Node-Id) does not have the model"]);
    expect(fleet.ollama("a").counters.executions).toBe(0);
  },
);

test.each(["", " ", "\t "])("X-Node-Id: %j names no node, on every route", async (blank) => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: { models: ["llama3", EMBEDDING] } });
  for (const family of everywhere) {
    const answer = await askFamily(fleet.hub.url, family, { model: modelOf(family.path), headers: pin(blank) });
    expect([family.path, answer.status]).toEqual([family.path, 200]);
    await answer.body?.cancel();
  }
  const { url } = fleet.hub;
  const copy = JSON.stringify({ source: "llama3", destination: "copied" });
  expect((await fetch(`${url}/api/copy`, { method: "POST", headers: pin(blank), body: copy })).status).toBe(200);
  const gone = await fetch(`${url}/api/delete`, { method: "DELETE", headers: pin(blank), body: '{"model":"copied"}' });
  expect(gone.status).toBe(200);
});

test("blanks around the name of a node are no part of it", async () => {
  await using fleet = await startFleet();
  const answer = await askFamily(fleet.hub.url, JOBS, { headers: pin(" b\t") });
  expect([answer.status, answer.headers.get("x-node-id")]).toEqual([200, "b"]);
});

test("a node that is offline is told as 503, and the request is not given to another", async () => {
  await using fleet = await startFleet({ ollama: { models: ["llama3", EMBEDDING] } });
  fleet.ollama("b").refuse({ cut: true });
  await fleet.hub.nodeThat("b", ({ ollama }) => !ollama.ok);
  for (const family of everywhere) {
    const response = await askFamily(fleet.hub.url, family, { model: modelOf(family.path), headers: pin("b") });
    const error = String(family.errorIn(await response.json()));
    expect([family.path, response.status]).toEqual([family.path, 503]);
    expect(error).toContain(family === JOBS ? "No healthy nodes" : "b: Ollama not answering");
  }
  expect(fleet.ollama("a").counters.executions).toBe(0);
});

test("a node that is full is waited for, while one that nobody asked for stays idle", async () => {
  await using fleet = await startFleet({ slots: 1, ollama: { firstTokenMs: 300 } });
  const families = GENERATING;
  const answers = families.map((family) => askFamily(fleet.hub.url, family, { headers: pin("b") }));
  await eventually(async () => expect((await fleet.hub.nodes()).get("b")?.active_jobs).toBe(1));
  for (const answer of await Promise.all(answers)) {
    expect([answer.status, answer.headers.get("x-node-id")]).toEqual([200, "b"]);
    await answer.text();
  }
  expect(fleet.ollama("b").counters.peakRunning).toBe(1);
  expect(fleet.ollama("a").counters.executions).toBe(0);
});

test("a question that runs no model is answered by a node that is full", async () => {
  await using fleet = await startFleet({ nodes: ["a"], slots: 1, ollama: { firstTokenMs: 60_000 } });
  const leaving = new AbortController();
  const busy = fleet.hub.job({ model: "llama3", prompt: "x" }, leaving.signal);
  await fleet.hub.nodeThat("a", ({ active_jobs }) => active_jobs === 1);
  const show = await fetch(`${fleet.hub.url}/api/show`, { method: "POST", body: '{"model":"llama3"}' });
  expect(show.status).toBe(200);
  leaving.abort();
  await busy.catch(() => {});
});

test("a pinned request whose node fails is not given to another", async () => {
  await using fleet = await startFleet();
  fleet.ollama("b").fault({ kind: "status", status: 500, times: 10 });
  for (const family of GENERATING) {
    const answer = await askFamily(fleet.hub.url, family, { headers: pin("b") });
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(family.errorIn(await answer.json())).toBeString();
  }
  expect(fleet.ollama("a").counters.executions).toBe(0);
});

test("those who wait for any node are not held up by one that waits for its own", async () => {
  await using fleet = await startFleet({ slots: 1, ollama: { firstTokenMs: 60_000 } });
  const leaving = new AbortController();
  const ask = (id: string) =>
    fetch(`${fleet.hub.url}/api/chat`, {
      method: "POST",
      headers: pin(id),
      body: JSON.stringify({ model: "llama3", messages: [{ role: "user", content: "x" }] }),
      signal: leaving.signal,
    }).catch(() => null);
  const waiting = [ask("b"), ask("b")];
  await fleet.hub.nodeThat("b", ({ active_jobs }) => active_jobs === 1);
  fleet.ollama("a").configure({ firstTokenMs: 0 });
  const free = await fleet.hub.job({ model: "llama3", prompt: "x", stream: false });
  expect([free.status, free.headers.get("x-node-id")]).toEqual([200, "a"]);
  leaving.abort();
  await Promise.all(waiting);
});
