import { expect, test } from "bun:test";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { createRequestLog } from "../request_log.ts";
import { createHappenings } from "./happenings.ts";
import { createLive, MOST_LISTENERS, TOPICS, type Topic } from "./live.ts";
import type { DescribedNode } from "./node_changes.ts";

interface Node extends DescribedNode {
  readonly load?: number;
}

interface Heard {
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: single fields of JSON that has a schema elsewhere.
  readonly data: any;
}

function stage() {
  const clock = fakeClock();
  const nodes = new Map<string, Node>();
  const looks = { nodes: 0, queue: 0 };
  const queue = { waiting: 0 };
  const happenings = createHappenings(clock);
  const log = createRequestLog({
    clock,
    keepPrompts: false,
    onFinish: (record) => live.finished(() => ({ request_id: record.request_id })),
  });
  const live = createLive({
    clock,
    hello: { boot_id: "b" },
    nodes: () => {
      looks.nodes++;
      return nodes.values();
    },
    queue: () => {
      looks.queue++;
      return { ...queue };
    },
    running: log.running,
    happenings: happenings.newest,
  });

  /** Listens, and notes everything that comes at once. */
  function listen(...topics: Topic[]) {
    const leaving = new AbortController();
    const stream = live.listen({
      topics: new Set(topics.length > 0 ? topics : TOPICS),
      signal: leaving.signal,
      hangUp: () => {},
      mayStay: () => true,
    });
    let text = "";
    const readAll = async () => {
      for await (const piece of stream ?? []) text += new TextDecoder().decode(piece);
    };
    void readAll();
    const heard = (): Heard[] =>
      [...text.matchAll(/^event: (.*)\ndata: (.*)$/gm)].map(([, event = "", data = ""]) => ({
        event,
        data: JSON.parse(data),
      }));
    return {
      heard,
      of: (event: string) => heard().flatMap((each) => (each.event === event ? [each.data] : [])),
      text: () => text,
      let: stream !== null,
      leave: () => leaving.abort(),
    };
  }

  const begin = (requestId: string) =>
    log.begin({ requestId, clientIp: "::1", endpoint: "/jobs", method: "POST", model: "m", stream: true, json: null });
  const put = (node_id: string, more: Partial<Node> = {}) =>
    void nodes.set(node_id, { node_id, trust_until_ms: null, ...more });
  const happen = (nodeId: string) => live.happened(happenings.add({ event: "joined", nodeId, detail: "" }));
  return { clock, nodes, looks, queue, live, listen, begin, put, happen };
}

test("nothing is looked at and nothing ticks before anybody listens, and after the last has left", async () => {
  const { clock, looks, live, listen, begin, happen } = stage();
  begin("r").finish({ status: 200, error: null });
  happen("a");
  await clock.advance(60_000);
  expect([looks, clock.pending]).toEqual([{ nodes: 0, queue: 0 }, 0]);
  const [one, other] = [listen("queue"), listen("running")];
  await clock.advance(5_000);
  expect(looks).toEqual({ nodes: 0, queue: 6 });
  one.leave();
  other.leave();
  await clock.advance(60_000);
  expect([looks.queue, clock.pending, live.listeners]).toEqual([6, 0, 0]);
});

test("a node is told of when it looks different, at most once a second, and when it is gone", async () => {
  const { clock, nodes, listen, put } = stage();
  put("a");
  put("b");
  const listener = listen("fleet");
  await clock.advance(3_000);
  expect(listener.heard().slice(1)).toEqual([{ event: "fleet", data: { nodes: [...nodes.values()] } }]);
  put("a", { load: 1 });
  put("a", { load: 2 });
  await clock.advance(1_000);
  nodes.delete("b");
  put("c");
  await clock.advance(2_000);
  expect(listener.of("nodes")).toEqual([
    { changed: [{ node_id: "a", trust_until_ms: null, load: 2 }], removed: [] },
    { changed: [{ node_id: "c", trust_until_ms: null }], removed: ["b"] },
  ]);
});

test("a cool-down that only counts down is no news, but whoever comes is told how long it is still", async () => {
  const { clock, listen, put } = stage();
  put("a", { trust_until_ms: 9_000 });
  const listener = listen("fleet");
  put("a", { trust_until_ms: 8_000 });
  await clock.advance(1_000);
  expect(listener.of("nodes")).toEqual([]);
  expect(await opened(listen, clock)).toMatchObject([{ nodes: [{ trust_until_ms: 8_000 }] }]);
  put("a");
  await clock.advance(1_000);
  expect(listener.of("nodes")).toMatchObject([{ changed: [{ trust_until_ms: null }] }]);
});

async function opened(
  listen: ReturnType<typeof stage>["listen"],
  clock: ReturnType<typeof fakeClock>,
): Promise<unknown[]> {
  const listener = listen("fleet");
  await clock.advance(0);
  return listener.of("fleet");
}

test("who comes later gets the state the others have, so that what follows fits both; nothing is computed for it", async () => {
  const { clock, looks, nodes, listen, put } = stage();
  put("a");
  const first = listen("fleet");
  await clock.advance(1_500);
  put("a", { load: 1 });
  const before = looks.nodes;
  const second = listen("fleet");
  expect(looks.nodes).toBe(before);
  await clock.advance(1_000);
  expect(first.of("nodes")).toEqual([{ changed: [...nodes.values()], removed: [] }]);
  expect(second.heard().slice(1)).toEqual([
    { event: "fleet", data: { nodes: [{ node_id: "a", trust_until_ms: null }] } },
    { event: "nodes", data: { changed: [...nodes.values()], removed: [] } },
  ]);
});

test("who comes when nobody listened for a while gets the state of now", async () => {
  const { clock, queue, listen, put } = stage();
  const first = listen("fleet", "queue");
  await clock.advance(1_000);
  first.leave();
  put("a");
  queue.waiting = 3;
  await clock.advance(1_000);
  const second = listen("fleet", "queue");
  await clock.advance(4_000);
  expect(second.heard().slice(1)).toMatchObject([
    { event: "fleet", data: { nodes: [{ node_id: "a" }] } },
    { event: "queue", data: { waiting: 3 } },
  ]);
});

test("more than a thousand nodes are compared every five seconds", async () => {
  const { clock, looks, listen, put } = stage();
  for (let node = 0; node <= 1_000; node++) put(`n${node}`);
  listen("fleet");
  const before = looks.nodes;
  await clock.advance(20_000);
  expect(looks.nodes - before).toBe(4);
});

test("the queue is told when it is another", async () => {
  const { clock, queue, listen } = stage();
  const listener = listen("queue");
  await clock.advance(3_000);
  queue.waiting = 2;
  await clock.advance(3_000);
  expect(listener.of("queue")).toEqual([{ waiting: 0 }, { waiting: 2 }]);
});

test("running requests are told newest first, a hundred at most, every second while there are any", async () => {
  const { clock, listen, begin } = stage();
  const listener = listen("running");
  await clock.advance(3_000);
  const records = Array.from({ length: 150 }, (_, number) => begin(`r${number}`));
  records[149]?.queuedAt(4);
  await clock.advance(2_000);
  for (const record of records) record.finish({ status: 200, error: null });
  await clock.advance(5_000);
  const told = listener.of("running");
  expect(told.map(({ total, requests }) => [total, requests.length])).toEqual([
    [0, 0],
    [150, 100],
    [150, 100],
    [0, 0],
  ]);
  expect(told[1].requests[0]).toEqual({
    request_id: "r149",
    timestamp: "2026-01-01T00:00:03.000Z",
    request_ip: "::1",
    endpoint: "/jobs",
    model: "m",
    stream: true,
    node_id: null,
    ip_version: null,
    elapsed_ms: 1000,
    first_byte_ms: null,
    queue_position: 4,
    waiting: true,
    bytes: 0,
    pieces: 0,
  });
});

test("finished requests are told at once, then at most twice a second, the newest 200 and how many more there were", async () => {
  const { clock, listen, begin } = stage();
  const end = (id: string) => begin(id).finish({ status: 200, error: null });
  end("before");
  const listener = listen("requests");
  await clock.advance(0);
  expect(listener.heard().map(({ event }) => event)).toEqual(["hello"]);
  end("r0");
  await clock.advance(1);
  expect(listener.of("requests")).toEqual([{ finished: [{ request_id: "r0" }], missed: 0 }]);
  for (let number = 1; number <= 250; number++) end(`r${number}`);
  await clock.advance(498);
  expect(listener.of("requests")).toHaveLength(1);
  await clock.advance(1);
  const [, second] = listener.of("requests");
  expect([second.missed, second.finished.length, second.finished[0].request_id]).toEqual([50, 200, "r250"]);
  await clock.advance(10_000);
  expect(listener.of("requests")).toHaveLength(2);
});

test("happenings are told newest first, the last fifty to whoever comes, and none of them twice", async () => {
  const { clock, listen, happen } = stage();
  for (let number = 0; number < 60; number++) happen(`n${number}`);
  const first = listen("happenings");
  await clock.advance(0);
  happen("x");
  await clock.advance(100);
  happen("y");
  happen("z");
  const second = listen("happenings");
  await clock.advance(1_000);
  const ids = (listener: typeof first) =>
    listener.of("happenings").map(({ happenings }) => happenings.map((each: { node_id: string }) => each.node_id));
  const [state, ...later] = ids(first);
  expect([state.length, state[0], state[49], later]).toEqual([50, "n59", "n10", [["x"], ["z", "y"]]]);
  const [late, ...after] = ids(second);
  expect([late[0], late.length, after]).toEqual(["x", 48, [["z", "y"]]]);
});

test("a step of the statistics is told when it is over", async () => {
  const { clock, live, listen } = stage();
  const listener = listen("stats");
  const sample = { at: "2026-01-01T00:00:10.000Z", fleet: {} as never, nodes: {} };
  live.stepped(sample);
  await clock.advance(0);
  expect(listener.heard().slice(1)).toEqual([{ event: "stats", data: sample }]);
});

test("every 5 seconds a sign of life goes out, so that nobody takes the connection, or the hub, for dead", async () => {
  const { clock, listen } = stage();
  const listener = listen("stats");
  await clock.advance(16_000);
  expect(listener.heard().slice(1)).toEqual(Array(3).fill({ event: "alive", data: {} }));
});

test("after the stop, and beyond so many listeners, nobody is let in", async () => {
  const { clock, live, listen } = stage();
  const listeners = Array.from({ length: MOST_LISTENERS }, () => listen("stats"));
  expect([listeners.every((each) => each.let), listen("stats").let]).toEqual([true, false]);
  listeners[0]?.leave();
  expect(listen("stats").let).toBe(true);
  live.stop();
  await clock.advance(60_000);
  expect([live.listeners, clock.pending, listen("stats").let]).toEqual([0, 0, false]);
});
