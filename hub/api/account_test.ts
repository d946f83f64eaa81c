/** The routes of a node's account at ollama.com, through the hub. */
import { expect, test } from "bun:test";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import { closeAfterEach, closeLater } from "../testing/managed_fleet.ts";

closeAfterEach();

async function fleetOf(environment: Record<string, string> = {}): Promise<Fleet> {
  const fleet = await startFleet({ nodes: ["a", "b"], hub: { environment } });
  return closeLater(fleet);
}

async function ask({ hub }: Pick<Fleet, "hub">, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(hub.url + path, { method: "POST", headers });
  return { status: response.status, node: response.headers.get("x-node-id"), json: await response.json() };
}

const signInUrl = "https://ollama.com/connect?name=stand-in&key=stand-in";

test("who is signed in is asked of the node that is named, else of the first", async () => {
  const fleet = await fleetOf();
  const json = { error: "unauthorized", signin_url: signInUrl };
  expect(await ask(fleet, "/api/me")).toEqual({ status: 401, node: "a", json });
  expect(await ask(fleet, "/api/me", { "x-node-id": "b" })).toEqual({ status: 401, node: "b", json });
  expect((await fleet.hub.logs(2)).map(({ endpoint, node_id }) => [endpoint, node_id])).toEqual([
    ["/api/me", "b"],
    ["/api/me", "a"],
  ]);
});

test("signing out is up to the node, by either route", async () => {
  const fleet = await fleetOf();
  const json = { error: "you are not currently signed in" };
  expect(await ask(fleet, "/api/signout")).toEqual({ status: 401, node: "a", json });
  const old = await fetch(`${fleet.hub.url}/api/user/keys/AAAA%3D?ts=1`, { method: "DELETE" });
  expect(old.headers.get("x-node-id")).toBe("a");
  expect(fleet.ollama("a").seen.map(({ method, path }) => `${method} ${path}`)).toContain(
    "DELETE /api/user/keys/AAAA%3D",
  );
});

test("nothing of a client that is a secret or a browser's goes to a node", async () => {
  const fleet = await fleetOf();
  const headers = { authorization: "Bearer secret", cookie: "a=b", "user-agent": "ollama-python/1" };
  await ask(fleet, "/api/me", headers);
  const got = fleet.ollama("a").seen.find(({ path }) => path === "/api/me")?.headers ?? [];
  const names = got.map(([name]) => name.toLowerCase());
  expect(names).toContain("user-agent");
  for (const name of ["authorization", "cookie", "origin"]) expect(names).not.toContain(name);
});

test("an account cannot be asked of all nodes at once", async () => {
  const fleet = await fleetOf();
  const error = "an account belongs to one node: name it in X-Node-Id instead of *";
  expect(await ask(fleet, "/api/me", { "x-node-id": "*" })).toMatchObject({ status: 400, json: { error } });
});

test("a hub without nodes is not signed in", async () => {
  const hub = startTestHub();
  closeLater({ [Symbol.asyncDispose]: () => hub.stop() });
  expect(await ask({ hub }, "/api/me")).toEqual({ status: 401, node: null, json: { error: "unauthorized" } });
  expect((await ask({ hub }, "/api/me", { "x-node-id": "a" })).status).toBe(404);
});

test.each(["web search", "web fetch"])("%s stays in the house unless ALLOW_CLOUD says otherwise", async (what) => {
  const path = `/api/experimental/${what.replace(" ", "_")}`;
  const error = `ollama cloud is disabled: ${what} is unavailable`;
  const closed = await fleetOf();
  expect(await ask(closed, path)).toEqual({ status: 403, node: null, json: { error } });
  expect(closed.ollama("a").seen.some((each) => each.path === path)).toBe(false);
  const opened = await fleetOf({ ALLOW_CLOUD: "1" });
  await fetch(opened.hub.url + path, { method: "POST", body: "{}" });
  expect(opened.ollama("a").seen.some((each) => each.path === path)).toBe(true);
});
