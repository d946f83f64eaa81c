/** An address that is another node's now, while the hub still has it under the first one's name. */
import { afterEach, expect, test } from "bun:test";
import { type FakeOllama, startFakeOllama } from "../../shared/testing/fake_ollama.ts";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { startNode } from "../../shared/testing/start_node.ts";
import { askFamily, GENERATING, JOBS } from "../testing/families.ts";

const toEnd: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0).reverse()) await end();
});

interface Taken {
  readonly fleet: Fleet;
  /** The Ollama of the agent that has `a`'s address now; it has the model "theirs" besides. */
  readonly other: FakeOllama;
}

/** A hub with the nodes `ids`; where `a` was, the agent of `z`, which the hub does not know, answers now. */
async function takenOver(ids: readonly string[]): Promise<Taken> {
  const fleet = await startFleet({ nodes: ids });
  toEnd.push(async () => fleet[Symbol.asyncDispose]());
  await fleet.node("a").kill();
  const other = await startFakeOllama({ models: ["llama3", "theirs"], loaded: [] });
  toEnd.push(() => other.stop());
  const agent = await startNode({ nodeId: "z", port: fleet.node("a").port, ollamaUrl: other.url });
  toEnd.push(() => agent.stop());
  return { fleet, other };
}

const pinned = { headers: { "X-Node-Id": "a" } };
/** Requests that could have changed or run something. */
const workAt = (ollama: FakeOllama) => ollama.seen.filter(({ method }) => method !== "GET" && method !== "HEAD").length;

test.each([JOBS, ...GENERATING])(
  "a request on $path for a node is not served by another at its address",
  async (family) => {
    const { fleet, other } = await takenOver(["a"]);
    const answer = await askFamily(fleet.hub.url, family, pinned);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain("This is node z, not a");
    expect(workAt(other)).toBe(0);
    const [logged] = await fleet.hub.logs(1);
    expect(logged?.attempts).toMatchObject([{ node_id: "a", outcome: "unreachable" }]);
    expect((await fleet.hub.nodes()).get("a")).toMatchObject({ failure_count: 1, routes: [{ reachable: false }] });
  },
);

test("a request for any node goes on to one that is there", async () => {
  const { fleet, other } = await takenOver(["a", "b"]);
  for (let request = 0; request < 4; request++) {
    const answer = await askFamily(fleet.hub.url, JOBS);
    expect([answer.status, answer.headers.get("x-node-id")]).toEqual([200, "b"]);
  }
  expect(workAt(other)).toBe(0);
});

test("a large prompt is declined like a small one", async () => {
  const { fleet, other } = await takenOver(["a"]);
  const answer = await fleet.hub.job({ model: "llama3", prompt: "x".repeat(20_000_000) });
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain("This is node z, not a");
  expect(workAt(other)).toBe(0);
});

test("the models of another node at its address are not taken for a node's own", async () => {
  const { fleet } = await takenOver(["a"]);
  const { models } = (await (await fetch(`${fleet.hub.url}/api/tags`)).json()) as { models: { name: string }[] };
  expect(models.map(({ name }) => name)).not.toContain("theirs:latest");
});

test.each([
  ["POST", "/api/pull", { model: "theirs", stream: false }],
  ["POST", "/api/pull", { model: "theirs" }],
  ["DELETE", "/api/delete", { model: "llama3" }],
  ["POST", "/api/copy", { source: "llama3", destination: "other" }],
] as const)("%s %s for a node changes nothing at another", async (method, path, body) => {
  const { fleet, other } = await takenOver(["a", "b"]);
  const answer = await fetch(fleet.hub.url + path, { method, headers: pinned.headers, body: JSON.stringify(body) });
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain("This is node z, not a");
  expect(workAt(other)).toBe(0);
  const [logged] = await fleet.hub.logs(1);
  expect(logged?.attempts).toMatchObject([{ node_id: "a", outcome: "unreachable" }]);
  expect((await fleet.hub.nodes()).get("a")?.failure_count).toBe(1);
});

test.each(["POST", "HEAD"])("a blob (%s) for a node is none of another's", async (method) => {
  const { fleet, other } = await takenOver(["a", "b"]);
  const url = `${fleet.hub.url}/api/blobs/sha256:${"0".repeat(64)}`;
  const answer = await fetch(url, { method, ...pinned, ...(method === "POST" ? { body: "x".repeat(3_000_000) } : {}) });
  expect(answer.status).toBe(503);
  expect(other.seen.filter(({ path }) => path.includes("blobs"))).toEqual([]);
});

test("a pull for any node goes on to one that is there", async () => {
  const { fleet, other } = await takenOver(["a", "b"]);
  const answer = await fetch(`${fleet.hub.url}/api/pull`, { method: "POST", body: '{"model":"fresh","stream":false}' });
  expect([answer.status, answer.headers.get("x-node-id")]).toEqual([200, "b"]);
  expect(workAt(other)).toBe(0);
});
