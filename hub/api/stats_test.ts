import { expect, test } from "bun:test";
import { silentLogger } from "../../shared/log.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { startFleet } from "../../shared/testing/start_fleet.ts";
import { stateFolderForTest } from "../../shared/testing/state_folder.ts";
import { readHubConfig } from "../config.ts";
import { startHub } from "../hub.ts";

test("the last hour is told of the fleet and of a node, also of one without work", async () => {
  await using fleet = await startFleet({ nodes: ["a"] });
  for (const query of ["", "?node_id=a"]) {
    const response = await fetch(`${fleet.hub.url}/stats${query}`);
    expect([response.status, await response.json()]).toMatchObject([
      200,
      { step_s: 10, points: 0, series: { requests: [], waiting: [] } },
    ]);
  }
  const unknown = await fetch(`${fleet.hub.url}/stats?node_id=b`);
  expect([unknown.status, await unknown.json()]).toEqual([404, { detail: "Node not found" }]);
});

test("time goes on by the hub's clock, and ends with the hub", async () => {
  const clock = fakeClock();
  const hub = startHub(readHubConfig({ PORT: "0", HUB_HOST: "127.0.0.1", STATE_DIR: stateFolderForTest() }), {
    log: silentLogger,
    clock,
  });
  const url = `http://127.0.0.1:${hub.server.port}`;
  await fetch(`${url}/jobs`, { method: "POST", body: JSON.stringify({ model: "nobody-has-it", prompt: "Hello" }) });
  await clock.advance(30_000);
  expect(await (await fetch(`${url}/stats`)).json()).toMatchObject({
    points: 3,
    until: "2026-01-01T00:00:30.000Z",
    series: { requests: [1, 0, 0], errors: [1, 0, 0], tokens: [0, 0, 0], first_token_p50_ms: [null, null, null] },
  });
  const before = clock.pending;
  await hub.stop();
  expect(clock.pending).toBeLessThan(before);
});
