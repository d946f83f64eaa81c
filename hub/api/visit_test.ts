/** What a node gets of a management request's address, and what the logs do. */
import { expect, test } from "bun:test";
import { pino } from "pino";
import { startNode } from "../../shared/testing/start_node.ts";
import { ask, closeAfterEach, closeLater, errorOf, fleetOf, gotAt, onDisk, SUCCESS } from "../testing/managed_fleet.ts";

closeAfterEach();

test("a path with escapes is forwarded as it was routed", async () => {
  const fleet = await fleetOf({ a: ["one"] });
  const pulled = await ask(fleet, "/api/%70ull", { model: "fresh", stream: false });
  expect([pulled.status, await pulled.json()]).toEqual([200, SUCCESS]);
  expect(gotAt(fleet, "a", "/api/pull")).toBe(1);
  expect((await ask(fleet, "/%61pi/%64elete?a=%20b", { model: "fresh" }, { method: "DELETE" })).status).toBe(200);
  expect(await onDisk(fleet, "a")).toEqual([["one:latest"]]);
});

test.each(["sha256%3A1", "a%20b", "a%5Cb", "a%25b", "a%3Fb", "%C3%BC", "a%zz", "a[b]|^`{}"])(
  "a blob named %s reaches the node as one segment of its path",
  async (digest) => {
    const fleet = await fleetOf({ a: ["one"] });
    const answer = await ask(fleet, `/api/blobs/${digest}`, "x");
    expect(await errorOf(answer)).toEqual([400, expect.not.stringContaining("Not found")]);
    const [seen] = fleet.ollama("a").seen.filter(({ path }) => path.startsWith("/api/blobs/"));
    const unescaped = (path: string) => decodeURIComponent(path.replace("%zz", "%25zz"));
    expect(unescaped(seen?.path ?? "")).toBe(unescaped(`/api/blobs/${digest}`));
  },
);

test("what a client writes into the query of an address stands in no log, of the hub or a node", async () => {
  const lines: string[] = [];
  const log = pino({ level: "trace" }, { write: (line) => void lines.push(line) });
  const fleet = await fleetOf({ a: ["one"] });
  const node = await startNode({ nodeId: "logged", serverUrl: fleet.hub.url, ollamaUrl: fleet.ollama("a").url, log });
  closeLater({ [Symbol.asyncDispose]: () => node.stop() });
  await fleet.hub.nodeThat("logged", ({ models }) => models.length > 0);
  const asked = { node: "logged" };
  const question = { model: "one", prompt: "x", stream: false };
  expect((await ask(fleet, "/api/generate?my=secret", question, asked)).status).toBe(200);
  expect(await (await ask(fleet, "/api/pull?my=secret", { model: "fresh" }, asked)).text()).toContain("success");
  expect((await ask(fleet, "/api/show?my=secret", { model: "one" }, asked)).status).toBe(200);
  const logs = await fleet.hub.logs();
  expect(logs.map(({ node_url }) => new URL(node_url ?? "").pathname)).toEqual([
    "/ollama/api/show",
    "/ollama/api/pull",
    "/ollama/api/generate",
  ]);
  expect(JSON.stringify(logs)).not.toContain("secret");
  expect(lines.join("")).toContain("/api/generate");
  expect(lines.join("")).not.toContain("secret");
});
