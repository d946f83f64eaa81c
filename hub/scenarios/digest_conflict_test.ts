/** Nodes with different models under one name: a conversation is not mixed, vectors stay comparable, people are told. */
import { expect, test } from "bun:test";
import { silentLogger } from "../../shared/log.ts";
import { jsonResponse, startFakeNode } from "../../shared/testing/fake_node.ts";
import { type Fleet, startFleet } from "../../shared/testing/start_fleet.ts";
import { eventually } from "../../shared/testing/start_hub.ts";

const OLD = "a".repeat(64);
const NEW = "b".repeat(64);

/** `llama3` and an embedding model, both as `digest` has them. */
const models = (digest: string) => [
  { name: "llama3", digest, modifiedAt: 0 },
  { name: "embed", digest: "c".repeat(63) + digest.slice(0, 1), embedding: true },
];

/** Node `a` alone has the old models, `b` and `c` have the new ones. */
const conflict = (options: object = {}) =>
  startFleet({
    nodes: ["a", "b", "c"],
    ollama: { models: models(NEW) },
    ollamas: { a: { models: models(OLD) } },
    ...options,
  });

type Message = { role: string; content: string };

const CHATS = [
  { path: "/api/chat", field: "messages", more: { stream: false } },
  { path: "/v1/chat/completions", field: "messages", more: {} },
  { path: "/v1/messages", field: "messages", more: { max_tokens: 50 } },
  { path: "/v1/responses", field: "input", more: {} },
] as const;

async function say(fleet: Fleet, { path, field, more }: (typeof CHATS)[number], messages: Message[], pin?: string) {
  const answer = await fetch(fleet.hub.url + path, {
    method: "POST",
    headers: pin === undefined ? {} : { "X-Node-Id": pin },
    body: JSON.stringify({ model: "llama3", [field]: messages, ...more }),
  });
  await answer.text();
  return [answer.status, answer.headers.get("x-node-id")];
}

/** The messages of a conversation with `turns` questions that begins with `opening`. */
const conversation = (opening: string, turns: number): Message[] =>
  Array.from({ length: 2 * turns - 1 }, (_, index) => ({
    role: index % 2 === 0 ? "user" : "assistant",
    content: index === 0 ? opening : `turn ${index}`,
  }));

test.each(CHATS)(
  "on $path a conversation stays with the manifest that answered it, while others are idle",
  async (chat) => {
    await using fleet = await conflict();
    expect(await say(fleet, chat, conversation("first", 1), "a")).toEqual([200, "a"]);
    for (let turn = 2; turn < 8; turn++)
      expect(await say(fleet, chat, conversation("first", turn))).toEqual([200, "a"]);
    // Another one goes where others have the same, and not to the third.
    expect(await say(fleet, chat, conversation("second", 1), "b")).toEqual([200, "b"]);
    for (let turn = 2; turn < 8; turn++) {
      expect((await say(fleet, chat, conversation("second", turn)))[1]).toBeOneOf(["b", "c"]);
    }
  },
);

test("a conversation waits for its manifest rather than change it, and moves on when its node is gone", async () => {
  await using fleet = await conflict({ slots: 1 });
  const [chat] = CHATS;
  expect(await say(fleet, chat, conversation("first", 1), "a")).toEqual([200, "a"]);
  fleet.ollama("a").configure({ firstTokenMs: 300 });
  const busy = say(fleet, chat, conversation("other", 1), "a");
  await fleet.hub.nodeThat("a", ({ active_jobs }) => active_jobs === 1);
  expect(await say(fleet, chat, conversation("first", 2))).toEqual([200, "a"]);
  expect(await busy).toEqual([200, "a"]);

  await fleet.node("a").kill();
  const [status, moved] = await say(fleet, chat, conversation("first", 3));
  expect(status).toBe(200);
  expect(moved).toBeOneOf(["b", "c"]);
  for (let turn = 4; turn < 8; turn++) {
    expect((await say(fleet, chat, conversation("first", turn)))[1]).toBeOneOf(["b", "c"]);
  }
});

test("a conversation whose manifest stays busy is answered by another one before it would be refused", async () => {
  await using fleet = await conflict({ slots: 1, hub: { environment: { QUEUE_TIMEOUT: "3" } } });
  const [chat] = CHATS;
  expect(await say(fleet, chat, conversation("first", 1), "a")).toEqual([200, "a"]);
  fleet.ollama("a").configure({ firstTokenMs: 60_000 });
  const leave = new AbortController();
  const body = JSON.stringify({ model: "llama3", messages: conversation("other", 1), stream: false });
  const busy = fetch(`${fleet.hub.url}${chat.path}`, {
    method: "POST",
    headers: { "X-Node-Id": "a" },
    body,
    signal: leave.signal,
  });
  await fleet.hub.nodeThat("a", ({ active_jobs }) => active_jobs === 1);
  const [status, node] = await say(fleet, chat, conversation("first", 2));
  expect([status, node]).toEqual([200, expect.stringMatching(/^[bc]$/)]);
  leave.abort();
  await expect(busy).rejects.toThrow();
});

test("a conversation that the hub does not know goes to what most nodes have", async () => {
  await using fleet = await conflict();
  for (let turn = 2; turn < 8; turn++) {
    expect((await say(fleet, CHATS[0], conversation(`unknown ${turn}`, turn)))[1]).toBeOneOf(["b", "c"]);
  }
});

test("embeddings always come from what most nodes have, however busy", async () => {
  await using fleet = await conflict();
  const routes = [
    ["/api/embed", "input"],
    ["/api/embeddings", "prompt"],
    ["/v1/embeddings", "input"],
  ] as const;
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, index) => {
      const [path, field] = routes[index % 3] ?? routes[0];
      return fetch(fleet.hub.url + path, {
        method: "POST",
        body: JSON.stringify({ model: "embed", [field]: `${index}` }),
      });
    }),
  );
  for (const answer of answers) {
    expect([answer.status, answer.headers.get("x-node-id")]).toEqual([200, expect.stringMatching(/^[bc]$/)]);
  }
  expect(fleet.ollama("a").counters.executions).toBe(0);
});

test("GET /nodes and the log tell of the conflict, and that it is over", async () => {
  const lines: string[] = [];
  const write = (_: object, text: string) => lines.push(text);
  const log = Object.assign(Object.create(silentLogger), { warn: write, info: write });
  await using fleet = await conflict({ hub: { log } });
  const told = () => lines.filter((line) => /llama3/.test(line));
  await eventually(() =>
    expect(told().at(-1)).toMatch(/nodes have different models named llama3:latest: b{12} on b, c; a{12} on a;/),
  );
  type Described = { readonly node_id: string; readonly digest_conflicts: { readonly model: string }[] };
  const conflictsOf = async (id: string) => {
    const nodes = (await (await fetch(`${fleet.hub.url}/nodes`)).json()) as Described[];
    return nodes.find(({ node_id }) => node_id === id)?.digest_conflicts.map(({ model }) => model);
  };
  for (const id of ["a", "b", "c"]) expect(await conflictsOf(id)).toContain("llama3:latest");
  fleet.ollama("a").setModels(models(NEW));
  await eventually(async () => expect(await conflictsOf("a")).toEqual([]));
  expect(told().at(-1)).toBe("only one version of llama3:latest is left");
});

test("a conversation stays where it is also when the node that answers says that the request is at fault", async () => {
  await using fleet = await conflict();
  using refusing = startFakeNode({
    nodeId: "d",
    onJob: (socket) => void socket.end(jsonResponse({ error: "no" }, 400)),
  });
  const tag = { name: "llama3:latest", digest: "d".repeat(64), size: 1, modified_at: "2026-01-01T00:00:00Z" };
  await fleet.hub.heartbeat({ ...refusing.heartbeat(), tags: [tag], capabilities: ["ollama"] });
  expect(await say(fleet, CHATS[0], conversation("x", 1), "d")).toEqual([400, "d"]);
  expect(await say(fleet, CHATS[0], conversation("x", 2))).toEqual([400, "d"]);
});
