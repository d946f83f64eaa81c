import { expect, test } from "bun:test";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import { heartbeatBody } from "../testing/fake_fleet.ts";

test.each([0, 1, 200, 201, 450])("GET /nodes has all of %p nodes, in the order in which they joined", async (count) => {
  const hub = startTestHub();
  const ids = Array.from({ length: count }, (_, index) => `node-${(index * 7) % 451}`);
  for (const node_id of ids) {
    const body = JSON.stringify(heartbeatBody({ node_id, models: ["llama3:latest", "müsli:1b"] }));
    const answer = await fetch(`${hub.url}/nodes/heartbeat`, { method: "POST", body });
    expect(answer.status).toBe(200);
  }
  const answer = await fetch(`${hub.url}/nodes`);
  expect(answer.headers.get("content-type")).toStartWith("application/json");
  const nodes = (await answer.json()) as { node_id: string; models: string[] }[];
  expect(nodes.map(({ node_id }) => node_id)).toEqual(ids);
  for (const { models } of nodes) expect(models).toEqual(["llama3:latest", "müsli:1b"]);
  const head = await fetch(`${hub.url}/nodes`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  await hub.stop();
});
