/** What a caller may take, over a real fleet: places it holds, tokens it uses, its part of the queue, its turns in it. */
import { expect, test } from "bun:test";
import type { FakeOllamaOptions } from "../../shared/testing/fake_ollama.ts";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually } from "../../shared/testing/start_hub.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { command, secretIn } from "../testing/typed.ts";

/** A fleet with one slot whose hub has these keys, each `NAME --option …`; and their secrets by name. */
async function closedFleet(keys: readonly string[], ollama: FakeOllamaOptions = {}) {
  const STATE_DIR = emptyStateFolder();
  const secrets: Record<string, string> = {};
  for (const words of ["test --admin", ...keys]) {
    const [name = "", ...options] = words.split(" ");
    secrets[name] = secretIn(command(STATE_DIR, "key", "add", name, ...options));
  }
  const key = secrets.test ?? "";
  const hub = { environment: { STATE_DIR, QUEUE_SIZE: "8" }, key };
  const fleet = await startFleet({ nodes: ["a"], slots: 1, ollama: { models: ["llama3"], ...ollama }, hub });
  return { fleet, secrets };
}

function chat(
  fleet: Fleet,
  key: string | undefined,
  more: { user?: string; model?: string; stream?: boolean; prompt?: string; signal?: AbortSignal } = {},
) {
  return fetch(`${fleet.hub.url}/api/generate`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, ...(more.user ? { "x-openwebui-user-id": more.user } : {}) },
    body: JSON.stringify({ model: more.model ?? "llama3", prompt: more.prompt ?? "x", stream: more.stream ?? false }),
    ...(more.signal ? { signal: more.signal } : {}),
  });
}

const waiting = async (fleet: Fleet, key: string | undefined) =>
  (
    (await (await fetch(`${fleet.hub.url}/queue`, { headers: { authorization: `Bearer ${key}` } })).json()) as {
      waiting: number;
    }
  ).waiting;

/** Slow enough to be seen running. */
const SLOW: FakeOllamaOptions = { tokens: 20, tokensPerSecond: 40 };

test("a request holds its place until its stream is over, and gives it back when its client leaves", async () => {
  const { fleet, secrets } = await closedFleet(["one --concurrent 1"], SLOW);
  await using _ = fleet;
  const leave = new AbortController();
  const stream = await chat(fleet, secrets.one, { stream: true, signal: leave.signal });
  expect(stream.status).toBe(200);
  const second = await chat(fleet, secrets.one);
  expect([second.status, second.headers.get("retry-after")]).toEqual([429, "1"]);
  leave.abort();
  await eventually(async () => expect((await chat(fleet, secrets.one)).status).toBe(200));
  const whole = await chat(fleet, secrets.one, { stream: true });
  await whole.text();
  await eventually(async () => expect((await chat(fleet, secrets.one)).status).toBe(200));
});

test("tokens of a day are those the node reports", async () => {
  const { fleet, secrets } = await closedFleet(["few --tokens-per-day 5"], { tokens: 6 });
  await using _ = fleet;
  expect((await (await chat(fleet, secrets.few)).json()) as object).toMatchObject({ done: true });
  const refused = await chat(fleet, secrets.few);
  expect([refused.status, await refused.json()]).toEqual([
    429,
    { error: expect.stringContaining("5 tokens of today") },
  ]);
  expect((await chat(fleet, secrets.test)).status).toBe(200);
});

test.each<[path: string, body: object]>([
  ["/api/embeddings", { prompt: "a b c d e f g h" }],
  ["/v1/chat/completions", { stream: true, messages: [{ role: "user", content: "a b c d e f g h" }] }],
])("tokens of a day count on %s, which reports none", async (path, body) => {
  const { fleet, secrets } = await closedFleet(["few --tokens-per-day 5"], { tokens: 2 });
  await using _ = fleet;
  const ask = () =>
    fetch(fleet.hub.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${secrets.few}` },
      body: JSON.stringify({ model: "llama3", ...body }),
    });
  const first = await ask();
  expect([first.status, (await first.text()).length > 0]).toEqual([200, true]);
  expect((await ask()).status).toBe(429);
});

test("the log says which key did what, behind the user's fields", async () => {
  const { fleet, secrets } = await closedFleet(["one"]);
  await using _ = fleet;
  await (await chat(fleet, secrets.one)).text();
  const model = JSON.stringify({ model: "llama3" });
  await fetch(`${fleet.hub.url}/api/delete`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${secrets.test}` },
    body: model,
  });
  const rows = await fleet.hub.logs(2);
  expect(rows.map(({ endpoint, key_name }) => [endpoint, key_name])).toEqual([
    ["/api/delete", "test"],
    ["/api/generate", "one"],
  ]);
  expect(Object.keys(rows[0] ?? {}).slice(-2)).toEqual(["key_id", "key_name"]);
});

test("a key has its part of the queue, and others have theirs", async () => {
  const { fleet, secrets } = await closedFleet(["half --queue-share 0.5", "other"], SLOW);
  await using _ = fleet;
  const running = chat(fleet, secrets.half);
  await eventually(() => expect(fleet.ollama("a").executions.length).toBe(1));
  const queued = Array.from({ length: 4 }, () => chat(fleet, secrets.half));
  await eventually(async () => expect(await waiting(fleet, secrets.test)).toBe(4));
  const refused = await chat(fleet, secrets.half);
  expect([refused.status, await refused.json()]).toEqual([
    429,
    { error: expect.stringContaining("your part of the queue") },
  ]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  const other = chat(fleet, secrets.other);
  expect((await Promise.all([running, ...queued, other])).map(({ status }) => status)).toEqual(new Array(6).fill(200));
});

/** In which order these requests, made one after the other while the slot was taken, were answered. */
async function orderOf(
  fleet: Fleet,
  test: string | undefined,
  asks: readonly { name: string; key: string | undefined; user?: string; model?: string }[],
): Promise<string> {
  const holder = chat(fleet, test, { prompt: "holder" });
  await eventually(() => expect(fleet.ollama("a").executions.length).toBe(1));
  const done: string[] = [];
  const answers: Promise<unknown>[] = [];
  for (const [index, { name, key, ...more }] of asks.entries()) {
    answers.push(chat(fleet, key, more).then(async (answer) => (await answer.text()) && done.push(name)));
    await eventually(async () => expect(await waiting(fleet, test)).toBe(index + 1));
  }
  await Promise.all([holder, ...answers]);
  return done.join(" ");
}

test("keys take turns: one that floods does not keep another one waiting", async () => {
  const { fleet, secrets } = await closedFleet(["flood", "other"], SLOW);
  await using _ = fleet;
  const flood = Array.from({ length: 5 }, () => ({ name: "flood", key: secrets.flood }));
  const order = await orderOf(fleet, secrets.test, [...flood, { name: "other", key: secrets.other }]);
  expect(order).toBe("flood other flood flood flood flood");
});

test("keys take turns over all models: one that floods with one model leaves the slot to another key's other model", async () => {
  const { fleet, secrets } = await closedFleet(["flood", "other"], { ...SLOW, models: ["llama3", "phi3"] });
  await using _ = fleet;
  const flood = Array.from({ length: 5 }, () => ({ name: "flood", key: secrets.flood }));
  const others = Array.from({ length: 2 }, () => ({ name: "other", key: secrets.other, model: "phi3" }));
  const order = await orderOf(fleet, secrets.test, [...flood, ...others]);
  expect(order).toBe("flood other flood other flood flood flood");
});

test.each<[option: string, order: string]>([
  ["--trust-user-header", "one two one one"],
  ["--weight 1", "one one one two"],
])("users of a key with %s are served %s", async (option, order) => {
  const { fleet, secrets } = await closedFleet([`webui ${option}`], SLOW);
  await using _ = fleet;
  const ask = (user: string) => ({ name: user, key: secrets.webui, user });
  expect(await orderOf(fleet, secrets.test, [ask("one"), ask("one"), ask("one"), ask("two")])).toBe(order);
});
