import { expect, test } from "bun:test";
import { silentLogger } from "../../shared/log.ts";
import { startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";
import { stateFolderForTest } from "../../shared/testing/state_folder.ts";
import { readHubConfig } from "../config.ts";
import { startHub } from "../hub.ts";

const PROMPT = { model: "llama3", prompt: "Hello", stream: true };

test("the list can be had without what was asked, and as one record a line", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  for (let number = 0; number < 3; number++) await (await fleet.hub.job(PROMPT)).text();
  const get = async (query: string) => await fetch(`${fleet.hub.url}/logs${query}`);
  const whole = (await (await get("")).json()) as Record<string, unknown>[];
  expect(whole).toHaveLength(3);
  expect(whole[0]?.request_json).toMatchObject({ prompt: "Hello" });
  const brief = whole.map(({ request_json: _, ...rest }) => rest);
  expect((await (await get("?request_json=0")).json()) as unknown).toEqual(brief);

  const lines = await get("?format=ndjson&request_json=0&limit=2");
  expect(lines.headers.get("content-type")).toBe("application/x-ndjson");
  const text = await lines.text();
  expect(text).toEndWith("}\n");
  expect(
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual(brief.slice(0, 2));
});

test.each(["limit=0", "limit=1001", "limit=x", "request_json=no", "format=xml"])("%p is refused", async (query) => {
  const hub = startTestHub();
  const response = await fetch(`${hub.url}/logs?${query}`);
  expect(response.status).toBe(400);
  expect(await response.json()).toEqual({ detail: expect.stringContaining(query.replace(/=.*/, "")) });
  await hub.stop();
});

test("one request is found by its id, with everything that is kept of it", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  const answer = await fleet.hub.job(PROMPT);
  await answer.text();
  const id = answer.headers.get("x-request-id");
  const [record] = await fleet.hub.logs();
  const found = await (await fetch(`${fleet.hub.url}/logs/${id}`)).json();
  expect(found).toMatchObject({ ...record, request_id: id, decisions: expect.any(Array) } as object);
});

test("a request that is not kept, or has not ended, is not found", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: { tokens: 20, tokensPerSecond: 20 } });
  const running = await fleet.hub.job(PROMPT);
  for (const id of ["nope", running.headers.get("x-request-id")]) {
    const response = await fetch(`${fleet.hub.url}/logs/${id}`);
    expect([response.status, await response.json()]).toEqual([
      404,
      { detail: "Request not found: the hub keeps the last 1000" },
    ]);
  }
  await running.body?.cancel();
});

test("an attempt whose answer broke off says so, with the kind of failure", async () => {
  await using fleet = await startFleet({ nodes: ["a"], ollama: { tokens: 20, tokensPerSecond: 20 } });
  const answer = await fleet.hub.job(PROMPT);
  const text = answer.text();
  await eventually(() => expect(fleet.ollama("a").executions[0]?.tokensSent).toBeGreaterThan(1));
  await fleet.node("a").kill();
  await text;
  const [record] = await fleet.hub.logs();
  expect(record?.success).toBe(false);
  expect(record?.attempts).toMatchObject([
    { node_id: "a", outcome: "connection_lost", error: expect.stringContaining("the connection to the node broke") },
  ]);
});

test("a request that an error in the hub itself ended has ended in the log as well", async () => {
  const hub = startHub(readHubConfig({ PORT: "0", HUB_HOST: "127.0.0.1", STATE_DIR: stateFolderForTest() }), {
    log: silentLogger,
  });
  const url = `http://127.0.0.1:${hub.server.port}`;
  const beat = { node_id: "a", ipv4: "127.0.0.1", port: 9009, models: ["llama3"] };
  await fetch(`${url}/nodes/heartbeat`, { method: "POST", body: JSON.stringify(beat) });
  hub.registry.reserve = () => {
    throw new Error("a bug");
  };
  const response = await fetch(`${url}/jobs`, { method: "POST", body: JSON.stringify(PROMPT) });
  expect(response.status).toBe(500);
  expect(hub.requestLog.running().size).toBe(0);
  expect(hub.requestLog.newest(9)).toMatchObject([
    { status_code: 500, success: false, error: expect.stringContaining("internal error") },
  ]);
  await hub.stop();
});
