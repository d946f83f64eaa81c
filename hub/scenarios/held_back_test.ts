/** Requests that leave a slow node free and wait for a fast one, over real sockets. */
import { expect, test } from "bun:test";
import type { Environment } from "../../shared/settings.ts";
import { startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually } from "../../shared/testing/start_hub.ts";

/** A fast node that is busy for three seconds, and a slow one that is free, each of one slot and known to be so. */
async function fastIsBusy(environment: Environment = {}) {
  const fleet = await startFleet({
    nodes: ["fast", "slow"],
    slots: 1,
    ollamas: { fast: { firstTokenMs: 50, tokens: 3 }, slow: { firstTokenMs: 2000, tokens: 3 } },
    hub: { environment },
  });
  async function ask(headers: Record<string, string> = {}) {
    const body = JSON.stringify({ model: "llama3", prompt: "why" });
    const response = await fetch(`${fleet.hub.url}/api/generate`, { method: "POST", headers, body });
    await response.text();
    return `${response.status} ${response.headers.get("x-node-id")}`;
  }
  await ask({ "X-Node-Id": "slow" });
  for (let times = 0; times < 20; times++) await ask({ "X-Node-Id": "fast" });
  // What is expected over all nodes is looked at once a second.
  await Bun.sleep(1_050);
  fleet.ollama("fast").configure({ firstTokenMs: 3_000 });
  fleet.ollama("slow").configure({ firstTokenMs: 50 });
  const long = ask({ "X-Node-Id": "fast" });
  await eventually(() => expect(fleet.ollama("fast").counters.running).toBe(1));
  return { fleet, ask, long };
}

test.each<Environment>([
  { QUEUE_TIMEOUT: "3" },
  // The hub looks at time once a second.
  { QUEUE_TIMEOUT: "0.1" },
  { REQUEST_TIMEOUT: "3" },
  { QUEUE_SIZE: "0" },
])("a request that waits for a fast node takes the slow one before it would be refused: %p", async (environment) => {
  const { fleet, ask } = await fastIsBusy(environment);
  await using _ = fleet;
  expect(await ask()).toBe("200 slow");
});

test("a request for the free node itself does not wait behind one that leaves it free", async () => {
  const { fleet, ask, long } = await fastIsBusy();
  await using _ = fleet;
  let isOver = false;
  void long.then(() => {
    isOver = true;
  });
  const held = ask();
  const queue = async () => (await (await fetch(`${fleet.hub.url}/queue`)).json()) as { waiting: number };
  await eventually(async () => expect((await queue()).waiting).toBe(1));
  expect(await ask({ "X-Node-Id": "slow" })).toBe("200 slow");
  expect(isOver).toBe(false);
  fleet.ollama("fast").configure({ firstTokenMs: 50 });
  expect(await held).toStartWith("200");
});

/** A node that is busy for two seconds with the first request that names none, and an ejected one, of one slot each. */
async function otherIsEjected(environment: Environment = {}) {
  const fleet = await startFleet({ nodes: ["busy", "ejected"], slots: 1, hub: { environment } });
  const ask = async (prompt: string, headers: Record<string, string> = {}) => {
    const body = JSON.stringify({ model: "llama3", prompt });
    const response = await fetch(`${fleet.hub.url}/api/generate`, { method: "POST", headers, body });
    await response.text();
    return `${response.status} ${response.headers.get("x-node-id")}`;
  };
  for (const prompt of ["one", "two", "three"]) {
    fleet.ollama("ejected").fault({ kind: "status", status: 500 });
    await ask(prompt, EJECTED);
  }
  await fleet.hub.nodeThat("ejected", ({ trust }) => trust === "ejected");
  fleet.ollama("busy").configure({ firstTokenMs: 2_000 });
  return { fleet, ask };
}
const EJECTED = { "X-Node-Id": "ejected" };

test("a request for an ejected node does not wait behind one that waits for a busy node", async () => {
  const { fleet, ask } = await otherIsEjected();
  await using _ = fleet;
  const ends: string[] = [];
  const [first, second] = ["first", "second"].map((name) => ask(name).then(() => ends.push(name)));
  const queue = async () => (await (await fetch(`${fleet.hub.url}/queue`)).json()) as { waiting: number };
  await eventually(async () => expect((await queue()).waiting).toBe(1));
  expect(await ask("pinned", EJECTED)).toBe("200 ejected");
  expect(ends).toEqual([]);
  await Promise.all([first, second]);
});

test("a request that has waited for as long as it may is tried on an ejected node rather than refused", async () => {
  const { fleet, ask } = await otherIsEjected({ QUEUE_TIMEOUT: "0.5" });
  await using _ = fleet;
  const [first, second] = [ask("first"), ask("second")];
  expect((await Promise.all([first, second])).toSorted()).toEqual(["200 busy", "200 ejected"]);
});
