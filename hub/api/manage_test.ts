/** Managing models through the hub where one node is in charge, over real sockets: which one, and what the client hears. */
import { expect, test } from "bun:test";
import { eventually } from "../../shared/testing/start_hub.ts";
import {
  ask,
  closeAfterEach,
  errorOf,
  fleetOf,
  gotAt,
  hubLists,
  linesOf,
  MISSING,
  onDisk,
  SUCCESS,
} from "../testing/managed_fleet.ts";

closeAfterEach();

test("a pull goes to the node with most room, byte by byte as its Ollama says it", async () => {
  const fleet = await fleetOf({ a: ["one", "two"], b: ["one"] });
  const response = await ask(fleet, "/api/pull", { name: "fresh" });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  expect(response.headers.get("x-node-id")).toBe("b");
  expect(response.headers.get("x-attempts")).toBe("1");
  expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  const text = await response.text();
  // The same pull at the Ollama itself, where it is there now, ends with the same lines.
  const direct = await (
    await fetch(`${fleet.ollama("b").url}/api/pull`, { method: "POST", body: '{"model":"fresh"}' })
  ).text();
  const end = direct.slice(direct.indexOf('{"status":"verifying'));
  expect(text).toStartWith('{"status":"pulling manifest"}\n{"status":"pulling ');
  expect(text).toEndWith(end);
  expect(await onDisk(fleet, "a", "b")).toEqual([
    ["one:latest", "two:latest"],
    ["fresh:latest", "one:latest"],
  ]);
});

test("a model that was pulled is listed and runs at once, without waiting for a heartbeat", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  await (await ask(fleet, "/api/pull", { model: "fresh" })).text();
  const answer = await ask(fleet, "/api/generate", { model: "fresh", prompt: "hello", stream: false });
  expect(answer.status).toBe(200);
  expect(await hubLists(fleet)).toEqual(["fresh:latest", "one:latest"]);
});

test("a model that is pulled again goes to the node that has it", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one", "two"] });
  expect((await ask(fleet, "/api/pull", { model: "two" })).headers.get("x-node-id")).toBe("b");
});

test("a model that somebody put onto a node behind the hub's back is found there", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  fleet.ollama("b").setModels(["one", "secret"]);
  expect((await ask(fleet, "/api/push", { model: "secret" })).headers.get("x-node-id")).toBe("b");
});

test("a pull without a stream is one object", async () => {
  const fleet = await fleetOf({ a: ["one"] });
  const response = await ask(fleet, "/api/pull", { model: "fresh", stream: false });
  expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
    200,
    "application/json",
    '{"status":"success"}',
  ]);
});

test("what the registry does not know is told in Ollama's words, with and without a stream", async () => {
  const fleet = await fleetOf({ a: ["one"] }, { ollama: { registry: [] } });
  const streamed = await ask(fleet, "/api/pull", { model: "nope" });
  expect([streamed.status, await linesOf(streamed)]).toEqual([
    200,
    [{ status: "pulling manifest" }, { error: MISSING }],
  ]);
  const whole = await ask(fleet, "/api/pull", { model: "nope", stream: false });
  expect([whole.status, await whole.text()]).toEqual([500, JSON.stringify({ error: MISSING })]);
  expect(await fleet.hub.logs(2)).toMatchObject([
    { status_code: 500, success: false, error: MISSING, stream: false },
    { status_code: 200, success: false, error: MISSING, stream: true, model: "nope", endpoint: "/api/pull" },
  ]);
});

test.each<[what: string, path: string, body: unknown, status: number, error: string]>([
  ["a pull of no model", "/api/pull", {}, 400, "invalid model name"],
  ["a pull of what is no name", "/api/pull", { model: "a//b" }, 400, "invalid model name"],
  ["an empty pull", "/api/pull", "", 400, "missing request body"],
  ["a push of no model", "/api/push", {}, 400, "model is required"],
  ["a create from nothing", "/api/create", { model: "x" }, 400, "neither 'from' or 'files' was specified"],
  ["a copy of nothing", "/api/copy", {}, 400, 'source "" is invalid'],
  ["a copy of what nobody has", "/api/copy", { source: "nope", destination: "x" }, 404, 'model "nope" not found'],
  ["a delete of what nobody has", "/api/delete", { model: "nope" }, 404, "model 'nope' not found"],
  ["a delete that names nothing", "/api/delete", {}, 400, "model is required"],
  ["a delete that is no JSON", "/api/delete", "{", 400, "unexpected EOF"],
])("%s is refused by one node, in Ollama's words", async (_, path, body, status, error) => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  expect(await errorOf(await ask(fleet, path, body))).toEqual([status, error]);
  expect(gotAt(fleet, "a", path) + gotAt(fleet, "b", path)).toBe(1);
});

test("a create goes to the node that has what it is made from, and a push to the one that has the model", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one", "base"] });
  const created = await ask(fleet, "/api/create", { model: "mine", from: "base" });
  expect((await linesOf(created)).at(-1)).toEqual(SUCCESS);
  expect(created.headers.get("x-node-id")).toBe("b");
  const pushed = await ask(fleet, "/api/push", { model: "mine" });
  expect((await linesOf(pushed)).at(-1)).toEqual(SUCCESS);
  expect(pushed.headers.get("x-node-id")).toBe("b");
});

test.each(["a", "b"])("X-Node-Id names the node, %s, whatever would be sensible", async (node) => {
  const fleet = await fleetOf({ a: ["one"], b: ["one", "two"] });
  const response = await ask(fleet, "/api/pull", { model: "fresh" }, { node });
  expect((await linesOf(response)).at(-1)).toEqual(SUCCESS);
  expect((await onDisk(fleet, node))[0]).toContain("fresh:latest");
  await ask(fleet, "/api/delete", { model: "one" }, { node });
  expect((await onDisk(fleet, "a", "b")).filter((models) => models.includes("one:latest")).length).toBe(1);
});

test("a pull goes to the next node when the first cannot be reached", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one", "two"] });
  await fleet.node("a").kill();
  const response = await ask(fleet, "/api/pull", { model: "fresh" });
  expect((await linesOf(response)).at(-1)).toEqual(SUCCESS);
  expect([response.headers.get("x-node-id"), response.headers.get("x-attempts")]).toEqual(["b", "2"]);
  expect((await fleet.hub.logs(1))[0]?.attempts).toMatchObject([
    { node_id: "a", outcome: "unreachable" },
    { node_id: "b", outcome: "ok", error: null },
  ]);
});

test("a pull may be silent for longer than any other request", async () => {
  const environment = { STREAM_IDLE_TIMEOUT: "0.05", NODE_REQUEST_TIMEOUT: "0.05", REQUEST_TIMEOUT: "0.05" };
  const fleet = await fleetOf({ a: ["one"] }, { ollama: { pullMs: 800 }, environment });
  expect((await linesOf(await ask(fleet, "/api/pull", { model: "fresh" }))).at(-1)).toEqual(SUCCESS);
  expect((await ask(fleet, "/api/pull", { model: "more", stream: false })).status).toBe(200);
});

test("a delete may not", async () => {
  const fleet = await fleetOf({ a: ["one"] }, { environment: { NODE_REQUEST_TIMEOUT: "0.05" } });
  fleet.ollama("a").fault({ kind: "hangBeforeHeaders", match: { path: "/api/delete" } });
  const answer = await ask(fleet, "/api/delete", { model: "one" });
  expect(await errorOf(answer)).toEqual([504, "a: no answer within 0.05 s"]);
});

test("a model that was missing where it was listed runs there as soon as it is pulled", async () => {
  const fleet = await fleetOf({ a: ["one", "two"] });
  fleet.ollama("a").fault({ kind: "status", status: 404, message: "model 'two' not found" });
  const run = () => ask(fleet, "/api/generate", { model: "two", prompt: "hello", stream: false });
  expect((await run()).status).toBe(404);
  await (await ask(fleet, "/api/pull", { model: "two" })).text();
  expect((await run()).status).toBe(200);
});

test("a client that leaves ends the pull on the node", async () => {
  const fleet = await fleetOf({ a: ["one"] }, { ollama: { pullMs: 600_000 } });
  const leaving = new AbortController();
  const response = await ask(fleet, "/api/pull", { model: "fresh" }, { signal: leaving.signal });
  await response.body?.getReader().read();
  leaving.abort();
  await eventually(async () => expect((await fleet.hub.logs(1))[0]).toMatchObject({ status_code: 499 }));
  expect((await fleet.hub.logs(1))[0]?.attempts).toMatchObject([{ node_id: "a" }]);
  expect(await onDisk(fleet, "a")).toEqual([["one:latest"]]);
});
