// Models that are not in memory: one load at a time, waited for, and not thrown away when its client leaves.
import { expect, test } from "bun:test";
import { type Fleet, type FleetOptions, startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually } from "../../shared/testing/start_hub.ts";

const cold = (options: FleetOptions = {}): Promise<Fleet> =>
  startFleet({ ...options, ollama: { loaded: [], loadMs: 400, ...options.ollama } });

const ask = (fleet: Fleet, signal?: AbortSignal, changes: object = {}): Promise<Response> =>
  fetch(`${fleet.hub.url}/api/generate`, {
    method: "POST",
    body: JSON.stringify({ model: "llama3", prompt: "hi", ...changes }),
    ...(signal ? { signal } : {}),
  });

const loads = (fleet: Fleet, ids: readonly string[] = ["a", "b"]) => ids.map((id) => fleet.ollama(id).counters.loads);

/** Requests for an answer that reached an Ollama. */
const asked = (fleet: Fleet) =>
  ["a", "b"].flatMap((id) => fleet.ollama(id).seen.filter(({ path }) => path === "/api/generate")).length;

test.each([{ stream: true }, { stream: false }])(
  "requests for a model that is loading wait for that load rather than start another, with %j",
  async (changes) => {
    await using fleet = await cold({ slots: 8 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(fleet, undefined, changes)));
    for (const answer of answers) expect(await answer.text()).toContain('"done":true');
    expect(loads(fleet).toSorted()).toEqual([0, 1]);
  },
);

test("with more than 16 waiting one more node loads the model as well, and no third", async () => {
  await using fleet = await cold({ nodes: ["a", "b", "c"], ollama: { loadMs: 1500 } });
  const answers = Array.from({ length: 24 }, () => ask(fleet));
  await eventually(() => expect(loads(fleet, ["a", "b", "c"]).toSorted()).toEqual([0, 1, 1]));
  for (const answer of await Promise.all(answers)) expect(await answer.text()).toContain('"done":true');
});

test.each([{ stream: true }, { stream: false }])(
  "a client that gives up during a load leaves the load running, and the next request uses it, with %j",
  async (changes) => {
    await using fleet = await cold({ ollama: { tokens: 3 } });
    const leaving = new AbortController();
    const first = ask(fleet, leaving.signal, changes);
    await eventually(() => expect(loads(fleet).toSorted()).toEqual([0, 1]));
    leaving.abort();
    await expect(first).rejects.toThrow();
    expect(await (await ask(fleet)).text()).toContain('"done":true');
    expect(loads(fleet).toSorted()).toEqual([0, 1]);
    await eventually(async () => {
      const nodes = await fleet.hub.nodes();
      expect([...nodes.values()].map(({ active_jobs }) => active_jobs)).toEqual([0, 0]);
    });
    const statuses = (await fleet.hub.logs()).map(({ status_code }) => status_code);
    expect(statuses.toSorted()).toEqual([200, 499]);
  },
);

test("of clients that give up during a load only the one that began it keeps its slot until the load is over", async () => {
  await using fleet = await cold({ nodes: ["a"], ollama: { loadMs: 60_000 } });
  const leaving = new AbortController();
  const requests: Promise<unknown>[] = [];
  // One after the other: of two sent at once the hub cannot know which reaches Ollama first, and so begins the load.
  for (let sent = 1; sent <= 4; sent++) {
    requests.push(ask(fleet, leaving.signal).catch(() => {}));
    await eventually(() => expect(fleet.ollama("a").executions.length).toBe(sent));
  }
  leaving.abort();
  await Promise.all(requests);
  await fleet.hub.nodeThat("a", ({ active_jobs }) => active_jobs === 1);
  expect(fleet.ollama("a").counters.loads).toBe(1);
});

test("a load that fails after its client left is not begun on another node", async () => {
  await using fleet = await cold();
  for (const id of ["a", "b"]) fleet.ollama(id).fault({ kind: "outOfMemory", delayMs: 300 });
  const leaving = new AbortController();
  const first = ask(fleet, leaving.signal);
  await eventually(() => expect(asked(fleet)).toBe(1));
  leaving.abort();
  await expect(first).rejects.toThrow();
  await eventually(async () => expect((await fleet.hub.logs())[0]?.status_code).toBe(499));
  expect(asked(fleet)).toBe(1);
});

test("a client that leaves when the model is in memory stops the generation at once", async () => {
  await using fleet = await startFleet({ ollama: { firstTokenMs: 60_000 } });
  const leaving = new AbortController();
  const first = ask(fleet, leaving.signal);
  await eventually(() => expect(fleet.ollama("a").executions.length + fleet.ollama("b").executions.length).toBe(1));
  leaving.abort();
  await expect(first).rejects.toThrow();
  await eventually(async () => expect((await fleet.hub.logs())[0]?.status_code).toBe(499));
});
