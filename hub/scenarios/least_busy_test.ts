/** LB_POLICY=least-busy on a running hub: requests go by the user's own order, and POST /explain tells that order. */
import { expect, test } from "bun:test";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import type { Explanation } from "../policy/explain.ts";
import { heartbeatBody } from "../testing/fake_fleet.ts";

async function explained(environment: Record<string, string>): Promise<Explanation> {
  const hub = startTestHub({ environment });
  const loads = { slow: 0.31, first: 0.3, second: 0.3 };
  for (const [node_id, cpu] of Object.entries(loads)) {
    await hub.heartbeat(heartbeatBody({ node_id, ipv4: "127.0.0.1", ipv6: null, load: { cpu, memory: 0 } }));
  }
  const answer = await fetch(`${hub.url}/explain`, { method: "POST", body: JSON.stringify({ model: "llama3" }) });
  const explanation = (await answer.json()) as Explanation;
  await hub.stop();
  return explanation;
}

test("least-busy goes by jobs, CPU to the last digit and failures, and then by who joined first", async () => {
  const explanation = await explained({ LB_POLICY: "least-busy" });
  expect(explanation).toMatchObject({ policy: "least-busy", node_id: "first" });
  expect(explanation.order.map(({ name }) => name)).toEqual(["heartbeat", "jobs", "cpu", "failures", "joined"]);
  expect(explanation.nodes.map(({ node_id, decided_by }) => [node_id, decided_by])).toEqual([
    ["first", null],
    ["second", "joined"],
    ["slow", "cpu"],
  ]);
});

test("first-token is what a hub does that is told nothing", async () => {
  const explanation = await explained({});
  expect(explanation).toMatchObject({ policy: "first-token", node_id: "slow" });
  expect(explanation.order.map(({ name }) => name).slice(0, 3)).toEqual(["heartbeat", "first token", "busy"]);
});
