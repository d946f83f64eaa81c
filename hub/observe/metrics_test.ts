/** GET /metrics of a real hub and its nodes: as Prometheus would read it, while they work. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startFakeNode } from "../../shared/testing/fake_node.ts";
import { readScrape, type Scrape, seriesId, valueIn } from "../../shared/testing/prometheus_text.ts";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";

const NAME = "ollama_connector_";

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet({ nodes: ["a", "b"] });
});
afterAll(() => fleet[Symbol.asyncDispose]());

async function scrape(url = fleet.hub.url): Promise<Scrape> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return readScrape(await response.text());
}

const generate = async (more: object = {}) => {
  const body = JSON.stringify({ model: "llama3", prompt: "why", ...more });
  return (await fetch(`${fleet.hub.url}/api/generate`, { method: "POST", body })).text();
};

test("a hub with two nodes tells of both: status, slots and the way to them", async () => {
  await generate();
  const scraped = await eventually(async () => {
    const seen = await scrape();
    expect(valueIn(seen, `${NAME}node_status`, { status: "online" })).toBe(2);
    expect(valueIn(seen, `${NAME}requests_running`)).toBe(0);
    return seen;
  });
  expect(valueIn(scraped, `${NAME}node_status`)).toBe(2);
  for (const node of ["a", "b"]) {
    expect(valueIn(scraped, `${NAME}node_slots`, { node })).toBe(4);
    expect(valueIn(scraped, `${NAME}node_slots_reported`, { node })).toBe(4);
    expect(valueIn(scraped, `${NAME}node_slots_used`, { node })).toBe(0);
    expect(valueIn(scraped, `${NAME}node_heartbeat_age_seconds`, { node })).toBeLessThan(30);
  }
  expect(valueIn(scraped, `${NAME}node_address_reachable`, { family: "IPv4" })).toBeGreaterThan(0);
  expect(valueIn(scraped, `${NAME}fleet_events_total`, { event: "joined" })).toBe(2);
  expect(valueIn(scraped, `${NAME}queue_limit`)).toBeGreaterThan(0);
  expect(valueIn(scraped, `${NAME}request_body_limit_bytes`)).toBeGreaterThan(1e6);
});

test("HEAD gets the headers, and other methods are refused as on every route", async () => {
  const head = await fetch(`${fleet.hub.url}/metrics`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  const post = await fetch(`${fleet.hub.url}/metrics`, { method: "POST" });
  expect([post.status, post.headers.get("allow")]).toEqual([405, "HEAD, GET"]);
});

test("counters never fall while requests run, and at the end they have counted every one", async () => {
  const ended = (seen: Scrape) => valueIn(seen, `${NAME}requests_total`, { endpoint: "/api/generate" }) ?? 0;
  const before = await scrape();
  let last = before;
  let working = true;
  const watching = (async () => {
    for (let scrapes = 0; ; scrapes++) {
      const now = await scrape();
      for (const [name, { type, series }] of last) {
        if (type === "gauge") continue;
        const after = new Map(now.get(name)?.series.map((each) => [seriesId(each), each.value]));
        for (const each of series) {
          const value = after.get(seriesId(each)) ?? -1;
          if (value < each.value) throw new Error(`${seriesId(each)} fell from ${each.value} to ${value}`);
        }
      }
      last = now;
      if (!working) return scrapes;
    }
  })();
  const work = async () => {
    for (let round = 0; round < 25; round++) await generate({ stream: round % 2 === 0 });
  };
  await Promise.all(Array.from({ length: 8 }, work));
  working = false;
  expect(await watching).toBeGreaterThan(3);
  await eventually(async () => {
    const after = await scrape();
    expect(ended(after) - ended(before)).toBe(200);
    expect(valueIn(after, `${NAME}node_slots_used`)).toBe(0);
  });
  const after = await scrape();
  const tokens = { model: "llama3:latest", kind: "completion" };
  const grown =
    (valueIn(after, `${NAME}tokens_total`, tokens) ?? 0) - (valueIn(before, `${NAME}tokens_total`, tokens) ?? 0);
  const newest = await fleet.hub.logs(200);
  expect(grown).toBe(newest.reduce((sum, { completion_tokens }) => sum + (completion_tokens ?? 0), 0));
});

test("models that clients invent add no series", async () => {
  const count = (seen: Scrape) => [...seen.values()].reduce((sum, { series }) => sum + series.length, 0);
  await generate({ model: "invented" });
  const before = await scrape();
  for (let index = 0; index < 300; index++) await generate({ model: `invented-${index}-${Math.random()}` });
  const after = await scrape();
  expect(count(after)).toBe(count(before));
  const refused = (seen: Scrape) => valueIn(seen, `${NAME}refusals_total`, { reason: "unknown_model" }) ?? 0;
  expect(refused(after) - refused(before)).toBe(300);
});

test("a node that is forgotten has no series any more", async () => {
  const environment = { HEARTBEAT_INTERVAL: "1", HEARTBEAT_TTL_SECONDS: "2", HEARTBEAT_OFFLINE_SECONDS: "3" };
  const hub = startTestHub({ environment });
  using node = startFakeNode({ nodeId: "fleeting", onJob: (socket) => socket.end() });
  await hub.heartbeat(node.heartbeat());
  await hub.job({ model: "llama3", prompt: "why" });
  const told = await scrape(hub.url);
  expect(valueIn(told, `${NAME}node_slots`, { node: "fleeting" })).not.toBeNull();
  expect(valueIn(told, `${NAME}attempts_total`, { node: "fleeting" })).toBe(1);
  await eventually(async () => expect((await hub.nodes()).size).toBe(0));
  const after = await scrape(hub.url);
  expect(JSON.stringify([...after.values()])).not.toContain("fleeting");
  await hub.stop();
});

test("a node tells of its requests, its slots, its Ollama and its heartbeats", async () => {
  await generate();
  await eventually(async () => {
    const both = await Promise.all(["a", "b"].map((id) => scrape(fleet.node(id).url)));
    const sum = (name: string, labels = {}) =>
      both.reduce((all, each) => all + (valueIn(each, NAME + name, labels) ?? 0), 0);
    expect(sum("agent_requests_total", { kind: "execute", status: "2xx", outcome: "complete" })).toBeGreaterThan(0);
    expect(sum("agent_request_duration_seconds_count", { kind: "execute" })).toBeGreaterThan(0);
    expect(sum("agent_heartbeats_total", { result: "accepted" })).toBeGreaterThan(1);
    expect([sum("agent_ollama_up"), sum("agent_ollama_models"), sum("agent_ollama_models_loaded")]).toEqual([2, 2, 2]);
    expect([sum("agent_slots"), sum("agent_slots_used"), sum("agent_slots_waiting")]).toEqual([8, 0, 0]);
    expect(sum("agent_ollama_queue_length")).toBe(0);
    expect(sum("build_info", { role: "node" })).toBe(2);
  });
});
