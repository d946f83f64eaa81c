import { expect, test } from "bun:test";
import { connect } from "node:net";
import { silentLogger } from "../../shared/log.ts";
import { listenToEvents } from "../../shared/testing/event_listener.ts";
import { startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually, type NodeJson, startTestHub } from "../../shared/testing/start_hub.ts";
import { stateFolderForTest } from "../../shared/testing/state_folder.ts";
import { readHubConfig } from "../config.ts";
import { startHub } from "../hub.ts";

const BEAT = { node_id: "attic", ipv4: "192.0.2.1", port: 8001, models: ["llama3:latest"] };
const PROMPT = { model: "llama3", prompt: "Hello", stream: true };

test("whoever comes is told who the hub is and all there is, in this order", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  await using listener = await listenToEvents(`${fleet.hub.url}/events`);
  expect(listener.response.headers.get("content-type")).toBe("text/event-stream");
  const { happenings } = await listener.next("happenings");
  expect(listener.text).toStartWith("retry: 3000\n\n");
  expect(listener.heard.map(({ event }) => event)).toEqual(["hello", "fleet", "queue", "running", "happenings"]);
  const [hello, nodes, queue, running] = listener.heard.map(({ data }) => data);
  expect(hello).toMatchObject({ ttl_s: 90, stale_s: 60, step_s: 10, boot_id: expect.any(String) });
  expect(nodes).toEqual({ nodes: await (await fetch(`${fleet.hub.url}/nodes`)).json() });
  expect(queue).toEqual(await (await fetch(`${fleet.hub.url}/queue`)).json());
  expect(running).toEqual({ total: 0, requests: [] });
  expect(happenings).toMatchObject([{ event: "joined", node_id: "a", at: expect.stringMatching(/Z$/) }]);
});

test("nodes that join, die and leave are heard of as it happens", async () => {
  await using fleet = await startFleet({ nodes: ["a", "b"] });
  await using listener = await listenToEvents(`${fleet.hub.url}/events?topics=fleet,happenings`);
  await listener.next("happenings");
  const changed = (id: string, status: RegExp) =>
    listener.next("nodes", ({ changed }) =>
      changed.some((node: NodeJson) => node.node_id === id && status.test(node.status)),
    );
  const happening = (id: string, event: string, detail: string) =>
    listener.next("happenings", ({ happenings: [newest] }) =>
      Bun.deepEquals({ ...newest, at: "" }, { node_id: id, event, detail, at: "" }),
    );

  await fleet.hub.heartbeat(BEAT);
  await changed("attic", /./);
  await happening("attic", "joined", "no IPv6, 127.0.0.1, 1 models");

  await fleet.node("a").kill();
  const response = await fetch(`${fleet.hub.url}/api/chat`, {
    method: "POST",
    headers: { "x-node-id": "a" },
    body: JSON.stringify({ model: "llama3", messages: [] }),
  });
  expect(response.status).toBe(503);
  await changed("a", /degraded/);

  await fleet.node("b").drain();
  await changed("b", /offline/);
  await happening("b", "intent", "left");
});

test("a request is seen while it runs and told of when it has ended, without what was asked", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: { tokens: 40, tokensPerSecond: 20 } });
  await using listener = await listenToEvents(`${fleet.hub.url}/events?topics=running,requests`);
  await listener.next("running");
  const response = await fleet.hub.job(PROMPT);
  const { requests } = await listener.next("running", ({ requests: [first] }) => first?.pieces > 1);
  const id = response.headers.get("x-request-id");
  expect(requests[0]).toMatchObject({
    request_id: id,
    node_id: "a",
    ip_version: "IPv4",
    model: "llama3",
    stream: true,
  });
  expect(requests[0]).toMatchObject({ waiting: false, endpoint: "/jobs", queue_position: null });
  expect(requests[0].bytes).toBeGreaterThan(0);
  await response.text();
  const { finished, missed } = await listener.next("requests");
  expect(missed).toBe(0);
  expect(finished).toMatchObject([{ request_id: id, success: true, completion_tokens: expect.any(Number) }]);
  expect(finished[0]).not.toHaveProperty("request_json");
  const { total } = await listener.next("running", (data) => data.total === 0 && listener.heard.length > 2);
  expect(total).toBe(0);
});

test("only the topics that were asked for come", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  await using listener = await listenToEvents(`${fleet.hub.url}/events?topics=queue`);
  await listener.next("queue");
  await fleet.hub.heartbeat(BEAT);
  await Bun.sleep(1_200);
  expect(listener.heard.map(({ event }) => event)).toEqual(["hello", "queue"]);
});

test.each(["topics=weather", "topics=", "topics=fleet,,queue", "topics=Fleet"])("%p is refused", async (query) => {
  const hub = startTestHub();
  const response = await fetch(`${hub.url}/events?${query}`);
  expect(response.status).toBe(400);
  expect(await response.json()).toEqual({ detail: expect.stringContaining("topics") });
  await hub.stop();
});

test("HEAD has the same headers and leaves nobody listening, and other methods are refused", async () => {
  const hub = startTestHub();
  const head = await fetch(`${hub.url}/events`, { method: "HEAD" });
  expect([head.status, head.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const post = await fetch(`${hub.url}/events`, { method: "POST", body: "{}" });
  expect([post.status, post.headers.get("allow")]).toEqual([405, "HEAD, GET"]);
  await hub.stop();
});

test("a stream in which nothing happens outlives the server's idle timeout", async () => {
  const hub = startTestHub({ idleTimeoutSeconds: 1 });
  await using listener = await listenToEvents(`${hub.url}/events?topics=stats`);
  await Bun.sleep(6_000);
  await hub.stop();
  expect(await listener.ended).toBe("cleanly");
}, 15_000);

test.each(["stop", "drain"] as const)(
  "the hub does not wait for dashboards at its %s: their streams end",
  async (way) => {
    const hub = startTestHub();
    await using listener = await listenToEvents(`${hub.url}/events`);
    await listener.next("happenings");
    const before = performance.now();
    await hub[way]();
    expect(await listener.ended).toBe("cleanly");
    expect(performance.now() - before).toBeLessThan(1_000);
  },
);

test("who listens again after a restart hears of another hub", async () => {
  const first = startTestHub();
  await using before = await listenToEvents(`${first.url}/events`);
  const { boot_id } = await before.next("hello");
  await first.stop();
  const second = startTestHub({ environment: { PORT: String(first.port) } });
  await using after = await eventually(() => listenToEvents(`${second.url}/events`));
  expect((await after.next("hello")).boot_id).not.toBe(boot_id);
  await second.stop();
});

test("a listener that leaves is forgotten at once", async () => {
  await using hub = startBareHub();
  const listener = await listenToEvents(`${hub.url}/events`);
  await listener.next("happenings");
  expect(hub.live.listeners).toBe(1);
  const leftAt = performance.now();
  listener.close();
  await eventually(() => expect(hub.live.listeners).toBe(0));
  expect(performance.now() - leftAt).toBeLessThan(500);
});

test("a listener that takes nothing is cut, its connection too, and others hear on", async () => {
  await using hub = startBareHub();
  const closed = Promise.withResolvers<void>();
  const stuck = connect({ port: hub.port, host: "127.0.0.1" }).on("close", () => closed.resolve());
  stuck.on("error", () => {});
  stuck.pause();
  stuck.write("GET /events?topics=stats HTTP/1.1\r\nHost: hub\r\n\r\n");
  await using listener = await listenToEvents(`${hub.url}/events?topics=stats`);
  await eventually(() => expect(hub.live.listeners).toBe(2));
  let sent = 0;
  while (hub.live.listeners === 2 && sent < 40) {
    // A megabyte, as a fleet of thousands could bring.
    hub.live.stepped({ at: `${sent++}${"x".repeat(1_000_000)}`, fleet: {} as never, nodes: {} });
    await listener.next("stats", ({ at }) => at.startsWith(`${sent - 1}x`));
  }
  expect(sent).toBeGreaterThan(4);
  expect(hub.live.listeners).toBe(1);
  hub.live.stepped({ at: "still here", fleet: {} as never, nodes: {} });
  await listener.next("stats", ({ at }) => at === "still here");
  // What the kernel holds already is still to be read, but nothing follows.
  stuck.resume();
  await closed.promise;
}, 20_000);

/** A hub whose listeners can be counted. */
function startBareHub() {
  const hub = startHub(readHubConfig({ PORT: "0", HUB_HOST: "127.0.0.1", STATE_DIR: stateFolderForTest() }), {
    log: silentLogger,
  });
  const port = hub.server.port ?? 0;
  return { live: hub.live, port, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: hub.stop };
}
