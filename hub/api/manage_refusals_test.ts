/** What the hub itself refuses of the requests that manage models. */
import { expect, test } from "bun:test";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import {
  ask,
  closeAfterEach,
  closeLater,
  errorOf,
  fleetOf,
  gotAt,
  linesOf,
  onDisk,
  SUCCESS,
} from "../testing/managed_fleet.ts";

closeAfterEach();

test.each<[method: string, path: string, body: unknown]>([
  ["POST", "/api/pull", { model: "one" }],
  ["POST", "/api/push", { model: "one" }],
  ["POST", "/api/create", { model: "x", from: "one" }],
  ["POST", "/api/copy", { source: "one", destination: "x" }],
  ["DELETE", "/api/delete", { model: "one" }],
  ["POST", `/api/blobs/sha256:${"0".repeat(64)}`, "x"],
])("%s %s where managing is switched off", async (method, path, body) => {
  const fleet = await fleetOf({ a: ["one"] }, { environment: { MANAGEMENT: "off" } });
  expect(await errorOf(await ask(fleet, path, body, { method }))).toEqual([
    403,
    "managing models is switched off on this hub (MANAGEMENT=off)",
  ]);
  expect((await fetch(fleet.hub.url + path, { method: "HEAD" })).status).toBe(path.includes("blobs") ? 403 : 405);
  expect(await onDisk(fleet, "a")).toEqual([["one:latest"]]);
  expect((await fleet.hub.logs(2))[path.includes("blobs") ? 1 : 0]).toMatchObject({
    status_code: 403,
    endpoint: path,
  });
});

test.each<[path: string, body: unknown]>([
  ["/api/pull", { model: "big:cloud" }],
  ["/api/pull", { name: "big:120b-cloud" }],
  ["/api/push", { model: "big:cloud" }],
  ["/api/create", { model: "mine", from: "big:cloud" }],
])("%s %j, since nothing shall leave the fleet", async (path, body) => {
  const fleet = await fleetOf({ a: ["one"] });
  expect(await errorOf(await ask(fleet, path, body))).toEqual([
    403,
    "ollama cloud is disabled: remote model is unavailable",
  ]);
  expect(gotAt(fleet, "a", path)).toBe(0);
});

test("a model at a cloud service may be pulled where ALLOW_CLOUD says so", async () => {
  const fleet = await fleetOf({ a: ["one"] }, { environment: { ALLOW_CLOUD: "1" } });
  expect((await linesOf(await ask(fleet, "/api/pull", { model: "big:cloud" }))).at(-1)).toEqual(SUCCESS);
});

test("a request on a hub without nodes, which says how to add one", async () => {
  const hub = startTestHub();
  closeLater({ [Symbol.asyncDispose]: () => hub.stop() });
  const text =
    "no node has joined this hub: start an agent on a machine that runs Ollama, with SERVER_URL set to this hub's address";
  for (const node of ["", "*"]) {
    expect(await errorOf(await ask({ hub }, "/api/pull", { model: "one" }, { node }))).toEqual([503, text]);
  }
  expect(await errorOf(await ask({ hub }, "/api/pull", { model: "one" }, { node: "a" }))).toEqual([
    404,
    'there is no node "a" (X-Node-Id): no node has joined this hub',
  ]);
});

test("a request for a node that is not there, draining, or too old an agent, by its reason", async () => {
  const fleet = await fleetOf({ a: ["one"] });
  const beat = { port: 9009, models: ["one"], metadata: {}, ipv4: "127.0.0.1", capabilities: ["execute", "ollama"] };
  await fleet.hub.heartbeat({ ...beat, node_id: "leaving", intent: "draining" });
  await fleet.hub.heartbeat({ ...beat, node_id: "old", capabilities: ["execute"] });
  const on = async (node: string) => errorOf(await ask(fleet, "/api/pull", { model: "x" }, { node }));
  expect(await on("b")).toEqual([404, 'there is no node "b" (X-Node-Id): the nodes of this hub are a, leaving, old']);
  expect(await on("leaving")).toEqual([503, "node leaving (X-Node-Id) cannot do it now: draining; these could: a"]);
  expect(await on("old")).toEqual([503, "node old (X-Node-Id) cannot do it now: agent too old; these could: a"]);
  const everywhere = await ask(fleet, "/api/pull", { model: "x", stream: false }, { node: "*" });
  expect([everywhere.status, everywhere.headers.get("x-node-id")]).toEqual([200, "a"]);
  await fleet.node("a").drain();
  expect(await errorOf(await ask(fleet, "/api/pull", { model: "x" }))).toEqual([
    503,
    "no node can do this now: a: left; leaving: draining; old: agent too old (GET /nodes shows the state of every node)",
  ]);
});

test("a body that is too large", async () => {
  const fleet = await fleetOf({ a: ["one"] }, { environment: { MAX_BODY_MB: "0.001" } });
  const answer = await ask(fleet, "/api/create", { model: "x", from: "one", system: "x".repeat(2_000) });
  expect(await errorOf(answer)).toEqual([413, "The body is larger than 0.001 MB (MAX_BODY_MB)"]);
});

test.each<[method: string, path: string, body: unknown]>([
  ["DELETE", "/api/delete", { model: "two" }],
  ["POST", "/api/copy", { source: "two", destination: "x" }],
])("%s %s of a model whose only node is off, since it is not gone", async (method, path, body) => {
  const fleet = await fleetOf({ a: ["one"], b: ["two"] });
  await fleet.node("b").drain();
  expect(await errorOf(await ask(fleet, path, body, { method }))).toEqual([
    503,
    "model 'two' is on b only, which cannot be asked now (GET /nodes shows why)",
  ]);
  expect(gotAt(fleet, "a", path)).toBe(0);
});
