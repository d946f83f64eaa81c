/** Managing models through the hub where several nodes are in charge, over real sockets: one answer for all. */
import { expect, test } from "bun:test";
import { eventually } from "../../shared/testing/start_hub.ts";
import {
  ask,
  closeAfterEach,
  errorOf,
  fleetOf,
  hubLists,
  linesOf,
  MISSING,
  onDisk,
  SUCCESS,
} from "../testing/managed_fleet.ts";

closeAfterEach();

test("a copy is made on every node that has the model, and a delete takes it from all of them", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"], c: ["other"] });
  const copied = await ask(fleet, "/api/copy", { source: "one", destination: "twin" });
  expect([copied.status, await copied.text(), copied.headers.get("x-node-id")]).toEqual([200, "", "a,b"]);
  expect(await onDisk(fleet, "a", "b", "c")).toEqual([
    ["one:latest", "twin:latest"],
    ["one:latest", "twin:latest"],
    ["other:latest"],
  ]);
  expect(await hubLists(fleet)).toContain("twin:latest");
  const deleted = await ask(fleet, "/api/delete", { name: "twin" });
  expect([deleted.status, await deleted.text()]).toEqual([200, ""]);
  expect(await hubLists(fleet)).toEqual(["one:latest", "other:latest"]);
  expect((await fleet.hub.logs(1))[0]).toMatchObject({ endpoint: "/api/delete", method: "DELETE", success: true });
});

test("a delete that a node answers 404 has done its work there", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["two"] });
  const deleted = await ask(fleet, "/api/delete", { model: "one" }, { node: "*" });
  expect([deleted.status, await deleted.text()]).toEqual([200, ""]);
  expect(await errorOf(await ask(fleet, "/api/delete", { model: "one" }, { node: "*" }))).toEqual([
    404,
    "model 'one' not found (failed on a, b; succeeded on no node)",
  ]);
});

test("a delete that fails on one of two nodes says where, why, and where it went well", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  fleet.ollama("b").fault({ kind: "status", status: 500, message: "disk on fire", match: { path: "/api/delete" } });
  expect(await errorOf(await ask(fleet, "/api/delete", { model: "one" }))).toEqual([
    500,
    "disk on fire (failed on b; succeeded on a)",
  ]);
  expect(await hubLists(fleet)).toEqual(["one:latest"]);
});

test("a copy that all nodes refuse alike keeps their status", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  const answer = await ask(fleet, "/api/copy", { source: "one", destination: "" });
  expect(await errorOf(answer)).toEqual([400, 'destination "" is invalid (failed on a, b; succeeded on no node)']);
});

test("a pull for all nodes is one stream with one success at its end", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"], c: ["one"] }, { ollama: { pullMs: 20 } });
  const response = await ask(fleet, "/api/pull", { model: "fresh" }, { node: "*" });
  expect(response.headers.get("x-node-id")).toBe("a,b,c");
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  const lines = await linesOf(response);
  expect(lines[0]).toEqual({ status: "pulling manifest" });
  expect(lines.filter(({ status }) => status === "success")).toEqual([SUCCESS]);
  expect(lines.at(-1)).toEqual(SUCCESS);
  const layers = lines.filter(({ digest }) => digest !== undefined);
  expect(layers.at(-1)?.completed).toBe(3 * 2_019_377_376);
  expect(await onDisk(fleet, "a", "b", "c")).toEqual(Array(3).fill(["fresh:latest", "one:latest"]));
  const [record] = await fleet.hub.logs(1);
  expect(record?.success).toBe(true);
  expect(record?.attempts.map(({ node_id, outcome }) => `${node_id} ${outcome}`).sort()).toEqual([
    "a ok",
    "b ok",
    "c ok",
  ]);
});

test("a pull for all nodes without a stream is one object, when all have it", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  const response = await ask(fleet, "/api/pull", { model: "fresh", stream: false }, { node: "*" });
  expect([response.status, await response.text()]).toEqual([200, '{"status":"success"}']);
  expect(await onDisk(fleet, "a", "b")).toEqual(Array(2).fill(["fresh:latest", "one:latest"]));
});

test("a pull that one of several nodes cannot do ends in an error that names it", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  fleet.ollama("b").configure({ registry: [] });
  const lines = await linesOf(await ask(fleet, "/api/pull", { model: "fresh" }, { node: "*" }));
  const error = `${MISSING} (failed on b; succeeded on a)`;
  expect(lines.at(-1)).toEqual({ error });
  expect(lines.some(({ status }) => status === "success")).toBe(false);
  const whole = await ask(fleet, "/api/pull", { model: "more", stream: false }, { node: "*" });
  expect(await errorOf(whole)).toEqual([500, error]);
});

test("a pull that all nodes refuse before they begin is refused with their status", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  const answer = await ask(fleet, "/api/pull", { model: "a//b" }, { node: "*" });
  expect(await errorOf(answer)).toEqual([400, "invalid model name (failed on a, b; succeeded on no node)"]);
});

test("a push and a create for all nodes do not begin as a pull", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] });
  const pushed = await linesOf(await ask(fleet, "/api/push", { model: "one" }, { node: "*" }));
  expect([pushed[0], pushed.at(-1)]).toEqual([{ status: "retrieving manifest" }, SUCCESS]);
  const created = await linesOf(await ask(fleet, "/api/create", { model: "mine", from: "one" }, { node: "*" }));
  expect(String(created[0]?.status)).toStartWith("using existing layer");
  expect(created.at(-1)).toEqual(SUCCESS);
});

test("a node that dies in the middle of a pull for all is named, and the others finish", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] }, { ollama: { pullMs: 200 } });
  fleet.ollama("b").configure({ pullMs: 600_000 });
  const response = await ask(fleet, "/api/pull", { model: "fresh" }, { node: "*" });
  const lines = linesOf(response);
  await eventually(async () => expect((await onDisk(fleet, "a"))[0]).toContain("fresh:latest"));
  await fleet.node("b").kill();
  const last = (await lines).at(-1);
  expect(String(last?.error)).toMatch(/\(failed on b; succeeded on a\)$/);
});

test("a client that leaves ends the pull on every node", async () => {
  const fleet = await fleetOf({ a: ["one"], b: ["one"] }, { ollama: { pullMs: 600_000 } });
  const leaving = new AbortController();
  const response = await ask(fleet, "/api/pull", { model: "fresh" }, { node: "*", signal: leaving.signal });
  await response.body?.getReader().read();
  leaving.abort();
  await eventually(async () => expect((await fleet.hub.logs(1))[0]).toMatchObject({ status_code: 499 }));
  const [record] = await fleet.hub.logs(1);
  expect(record?.attempts.map(({ node_id }) => node_id).sort()).toEqual(["a", "b"]);
  // A pull that goes on would keep a node from going: it waits for it when it is told to end.
  await Promise.all([fleet.node("a").drain(), fleet.node("b").drain()]);
});
