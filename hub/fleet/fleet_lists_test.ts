import { expect, test } from "bun:test";
import type { FleetFetch } from "../../shared/fleet_fetch.ts";
import { modelKey } from "../../shared/model_name.ts";
import type { HeartbeatBody } from "../../shared/protocol.ts";
import { fakeFleet } from "../testing/fake_fleet.ts";
import { LIMITS } from "../testing/node_facts.ts";
import { createFleetLists } from "./fleet_lists.ts";

const disk = (name: string) => ({ name, model: name, digest: "x", size: 1, modified_at: "2026-01-01T00:00:00Z" });
const memory = (name: string) => ({ ...disk(name), size_vram: 1, expires_at: "2026-01-01T00:00:00Z" });

type Meets = (url: string, signal: AbortSignal) => Response | Promise<Response>;
const lists =
  (tags: unknown, ps: unknown = { models: [] }): Meets =>
  (url) =>
    Response.json(url.endsWith("/api/ps") ? ps : tags);
const hangs: Meets = (_, signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
const has = (...names: string[]) => lists({ models: names.map(disk) });

/** Nodes by name; requests to `http://<address>` are met by what `meets` says of that address. */
function open(meets: Record<string, Meets>, nodes: readonly Partial<HeartbeatBody>[] = [{}]) {
  const fleet = fakeFleet();
  for (const [index, node] of nodes.entries()) {
    fleet.beat({ ipv4: `192.0.2.${index + 1}`, ipv6: null, capabilities: ["ollama"], ...node });
  }
  const asked: string[] = [];
  const fetch: FleetFetch = async (url, { signal }) => {
    const { host, pathname } = new URL(url);
    asked.push(host + pathname);
    return (meets[host] ?? hangs)(url, signal);
  };
  return { ...fleet, asked, lists: createFleetLists({ registry: fleet.registry, fetch, liveness: LIMITS }) };
}

const A = "192.0.2.1:8001";
const B = "192.0.2.2:8001";

test("both lists of every node are asked by the node's own face", async () => {
  const { asked, lists: all } = open({ [A]: has("new"), [B]: has("newer") }, [{}, { node_id: "b" }]);
  await all.refresh();
  const paths = ["/ollama/api/tags", "/ollama/api/ps"];
  expect(asked.toSorted()).toEqual([A, B].flatMap((host) => paths.map((path) => host + path)).toSorted());
});

test("what a node tells is known when the refresh is over", async () => {
  const { node, lists: all } = open({ [A]: lists({ models: [disk("new")] }, { models: [memory("new")] }) });
  expect(node().models.has(modelKey("new"))).toBe(false);
  await all.refresh();
  expect(node().models.has(modelKey("new"))).toBe(true);
  expect(node().loadedNames).toEqual(["new"]);
});

test.each<[what: string, meets: Meets]>([
  ["refuses", () => Promise.reject(new Error("ECONNREFUSED"))],
  ["answers 500", () => new Response("x", { status: 500 })],
  ["answers 302", () => new Response(null, { status: 302, headers: { location: "http://192.0.2.9/" } })],
  ["answers no JSON", () => new Response("<html>")],
  ["answers a list of something else", lists([])],
  ["answers nothing", () => new Response("")],
  ["answers more than any list", () => new Response(new Uint8Array(17_000_000))],
  ["answers a list without end", lists({ models: Array.from({ length: 10_001 }, () => disk("x")) })],
])("a node that %s keeps the models it told last", async (_, meets) => {
  const { node, lists: all } = open({ [A]: meets });
  await all.refresh();
  expect(node().modelNames).toEqual(["llama3"]);
});

test("no models, written as null or as an empty list, are no models", async () => {
  for (const models of [null, []]) {
    const { node, lists: all } = open({ [A]: lists({ models }) });
    await all.refresh();
    expect(node().modelNames).toEqual([]);
  }
});

test("one strange entry costs no other", async () => {
  const { node, lists: all } = open({ [A]: lists({ models: [disk("one"), { name: 7 }, null, disk("two")] }) });
  await all.refresh();
  expect(node().modelNames).toEqual(["one", "two"]);
});

test("a list of models in memory that cannot be read does not cost the list on disk", async () => {
  const { node, lists: all } = open({ [A]: lists({ models: [disk("new")] }, "nonsense") });
  await all.refresh();
  expect(node().modelNames).toEqual(["new"]);
});

test("a node is asked by its next address when the first does not answer", async () => {
  const { node, lists: all } = open({ [A]: has("new"), "[2001:db8::1]:8001": () => Promise.reject(new Error("no")) }, [
    { ipv6: "2001:db8::1" },
  ]);
  await all.refresh();
  expect(node().modelNames).toEqual(["new"]);
});

test("a node that hangs costs two seconds, and not the others' answers", async () => {
  const { node, lists: all } = open({ [A]: hangs, [B]: has("new") }, [{}, { node_id: "b" }]);
  const startedAt = performance.now();
  await all.refresh();
  const took = performance.now() - startedAt;
  expect(took).toBeGreaterThan(1_900);
  expect(took).toBeLessThan(3_000);
  expect(node("b").modelNames).toEqual(["new"]);
});

test("a node that is lost meanwhile is not waited for", async () => {
  const { registry, lists: all } = open({ [A]: hangs });
  const refreshed = all.refresh();
  const startedAt = performance.now();
  registry.lose("a", "gone");
  await refreshed;
  // Two seconds, if it were.
  expect(performance.now() - startedAt).toBeLessThan(1_500);
});

test("many who want to know at once have the nodes asked once, and once more for those who came later", async () => {
  const { asked, lists: all } = open({ [A]: has("new") });
  await Promise.all(Array.from({ length: 50 }, () => all.refresh()));
  expect(asked).toHaveLength(4);
  await all.refresh();
  expect(asked).toHaveLength(6);
});

test("who asks while nodes are being asked hears of what came onto a node in between", async () => {
  let models = [disk("old")];
  const told = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const slow: Meets = async (url) => {
    const now = models;
    if (url.endsWith("/api/ps")) return Response.json({ models: [] });
    told.resolve();
    await answer.promise;
    return Response.json({ models: now });
  };
  const { node, lists: all } = open({ [A]: slow });
  const first = all.refresh();
  await told.promise;
  models = [disk("new")];
  const second = all.refresh();
  answer.resolve();
  await first;
  expect(node().modelNames).toEqual(["old"]);
  await second;
  expect(node().modelNames).toEqual(["new"]);
});

test("who need not know to the moment asks once in a while, counted from the last answers", async () => {
  const { asked, clock, lists: all } = open({ [A]: has("new") });
  await Promise.all(Array.from({ length: 50 }, () => all.refreshUnlessRecent(1_000)));
  expect(asked).toHaveLength(2);
  await clock.advance(999);
  await all.refreshUnlessRecent(1_000);
  expect(asked).toHaveLength(2);
  await clock.advance(1);
  await all.refreshUnlessRecent(1_000);
  expect(asked).toHaveLength(4);
  await all.refresh();
  expect(asked).toHaveLength(6);
  await all.refreshUnlessRecent(1_000);
  expect(asked).toHaveLength(6);
});

test("every node is told which one is meant", async () => {
  const meant: string[] = [];
  const fleet = fakeFleet();
  for (const id of ["a", "b"]) fleet.beat({ node_id: id, ipv6: null, capabilities: ["ollama"] });
  const fetch: FleetFetch = async (_, { headers }) => {
    meant.push(new Headers(headers).get("x-node-id") ?? "");
    return Response.json({ models: [] });
  };
  await createFleetLists({ registry: fleet.registry, fetch, liveness: LIMITS }).refresh();
  expect(meant.sort()).toEqual(["a", "a", "b", "b"]);
});

test("what another node tells at a node's address is not taken, and its next address is asked", async () => {
  const named =
    (id: string, name: string): Meets =>
    () =>
      Response.json({ models: [disk(name)] }, { headers: { "X-Node-Id": id } });
  const addresses = [{ ipv6: "2001:db8::1" }];
  const { node, lists: all } = open({ [A]: named("a", "own"), "[2001:db8::1]:8001": named("z", "theirs") }, addresses);
  await all.refresh();
  expect(node().modelNames).toEqual(["own"]);
  const other = open({ [A]: named("z", "theirs") });
  await other.lists.refresh();
  expect(other.node().modelNames).toEqual(["llama3"]);
});

test.each<[what: string, node: Partial<HeartbeatBody>]>([
  ["has left", { intent: "left" }],
  ["has no Ollama", { ollama: { ok: false } }],
  ["is an older agent", { capabilities: [] }],
])("a node that %s is not asked and not present", async (_, node) => {
  const { asked, lists: all } = open({ [A]: has("new") }, [node]);
  await all.refresh();
  expect(asked).toEqual([]);
  expect(all.present()).toEqual([]);
});

test("a node that drains, is ejected or stale is present; one that is offline is not", async () => {
  const { clock, lists: all, registry } = open({}, [{ intent: "draining" }]);
  for (let failure = 0; failure < 3; failure++) registry.failed("a", "x");
  for (let second = 0; second < 89; second++) {
    await clock.advance(1_000);
    registry.sweep();
  }
  expect(all.present()).toHaveLength(1);
  await clock.advance(1_000);
  expect(all.present()).toHaveLength(0);
});

test("an empty fleet is refreshed at once", async () => {
  await open({}, []).lists.refresh();
});
