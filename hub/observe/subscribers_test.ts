import { expect, test } from "bun:test";
import { createSubscribers, LARGEST_BACKLOG, type Listener } from "./subscribers.ts";

type Topic = "nodes" | "queue";

const bytes = (text: string) => new TextEncoder().encode(text);

function audience() {
  let changes = 0;
  const subscribers = createSubscribers<Topic>(() => changes++);
  function come(opening: string | Uint8Array = "state ", ...topics: Topic[]) {
    const leaving = new AbortController();
    let hungUp = 0;
    let mayStay = true;
    const listener: Listener<Topic> = {
      topics: new Set(topics.length > 0 ? topics : ["nodes"]),
      signal: leaving.signal,
      hangUp: () => hungUp++,
      mayStay: () => mayStay,
    };
    const stream = subscribers.add(listener, typeof opening === "string" ? bytes(opening) : opening);
    const unwelcome = () => {
      mayStay = false;
    };
    return { stream, reader: () => stream.getReader(), leave: () => leaving.abort(), hungUp: () => hungUp, unwelcome };
  }
  return { subscribers, come, changes: () => changes };
}

async function take(reader: {
  read(): Promise<{ readonly value?: Uint8Array | undefined; readonly done: boolean }>;
}): Promise<string | null> {
  const { value, done } = await reader.read();
  return done ? null : new TextDecoder().decode(value);
}

test("each gets its state first and then what it wants, in order, whether it was waiting or not", async () => {
  const { subscribers, come } = audience();
  const nodes = come("n").reader();
  const both = come("b", "nodes", "queue").reader();
  subscribers.send("nodes", bytes("1"));
  subscribers.send("queue", bytes("2"));
  subscribers.send(null, bytes("3"));
  expect([await take(nodes), await take(nodes), await take(nodes)]).toEqual(["n", "1", "3"]);
  expect([await take(both), await take(both), await take(both), await take(both)]).toEqual(["b", "1", "2", "3"]);
  const next = take(nodes);
  subscribers.send("nodes", bytes("4"));
  expect(await next).toBe("4");
  expect(await take(both)).toBe("4");
});

test("who may not listen any more hears no more, and the others do", async () => {
  const { subscribers, come } = audience();
  const [revoked, other] = [come(""), come("")];
  const [one, two] = [revoked.reader(), other.reader()];
  await Promise.all([take(one), take(two)]);
  revoked.unwelcome();
  subscribers.review();
  subscribers.send("nodes", bytes("x"));
  expect([await take(one), await take(two), subscribers.size]).toEqual([null, "x", 1]);
});

test("what is sent is held once for all, not copied", async () => {
  const { subscribers, come } = audience();
  const readers = [come().reader(), come().reader()];
  const sent = bytes("x");
  subscribers.send("nodes", sent);
  for (const reader of readers) {
    await reader.read();
    expect((await reader.read()).value).toBe(sent);
  }
});

test("a topic is wanted as long as somebody listens to it", () => {
  const { subscribers, come } = audience();
  expect(subscribers.wants("nodes")).toBe(false);
  const one = come("", "nodes");
  const other = come("", "nodes", "queue");
  expect([subscribers.wants("nodes"), subscribers.wants("queue"), subscribers.size]).toEqual([true, true, 2]);
  other.leave();
  expect([subscribers.wants("nodes"), subscribers.wants("queue"), subscribers.size]).toEqual([true, false, 1]);
  one.leave();
  expect([subscribers.wants("nodes"), subscribers.size]).toEqual([false, 0]);
});

test.each<[how: string, leave: (one: ReturnType<ReturnType<typeof audience>["come"]>) => unknown]>([
  ["its connection goes", ({ leave }) => leave()],
  ["its stream is cancelled", ({ stream }) => stream.cancel()],
  ["both", ({ stream, leave }) => [stream.cancel(), leave()]],
])("who leaves is forgotten at once, once: %s", async (_, leave) => {
  const { subscribers, come, changes } = audience();
  const one = come();
  await leave(one);
  expect([subscribers.size, changes(), one.hungUp()]).toEqual([0, 2, 0]);
  subscribers.send(null, bytes("nobody hears this"));
});

test("who had gone before it was let in is not kept", () => {
  const { subscribers } = audience();
  const gone = { topics: new Set<Topic>(["nodes"]), signal: AbortSignal.abort(), hangUp() {}, mayStay: () => true };
  subscribers.add(gone, bytes(""));
  expect(subscribers.size).toBe(0);
});

test("who takes nothing while more than 4 MB wait is cut, and nobody else is", async () => {
  const { subscribers, come } = audience();
  const stuck = come();
  const busy = come().reader();
  expect(await take(busy)).toBe("state ");
  const megabyte = new Uint8Array(1_000_000);
  for (let sent = 0; sent < LARGEST_BACKLOG; sent += megabyte.byteLength) {
    subscribers.send("nodes", megabyte);
    expect((await busy.read()).value?.byteLength).toBe(1_000_000);
  }
  expect([subscribers.size, stuck.hungUp()]).toEqual([2, 0]);
  subscribers.send("nodes", bytes("one more"));
  expect([subscribers.size, stuck.hungUp()]).toEqual([1, 1]);
  await expect(stuck.reader().read()).rejects.toThrow("4 MB waiting");
  expect(await take(busy)).toBe("one more");
});

test("the state of a large fleet counts for nothing: only what comes after it is a backlog", async () => {
  const { subscribers, come } = audience();
  const slow = come(new Uint8Array(3 * LARGEST_BACKLOG));
  subscribers.send("nodes", new Uint8Array(LARGEST_BACKLOG));
  const reader = slow.reader();
  expect((await reader.read()).value?.byteLength).toBe(3 * LARGEST_BACKLOG);
  expect((await reader.read()).value?.byteLength).toBe(LARGEST_BACKLOG);
  // What was taken makes room.
  subscribers.send("nodes", new Uint8Array(LARGEST_BACKLOG));
  expect([subscribers.size, slow.hungUp()]).toEqual([1, 0]);
});

test("at the end every stream ends cleanly, and who has not taken all is hung up on", async () => {
  const { subscribers, come } = audience();
  const [waiting, behind] = [come(), come()];
  const reader = waiting.reader();
  await take(reader);
  const next = take(reader);
  subscribers.end();
  expect(await next).toBeNull();
  expect(await take(behind.reader())).toBeNull();
  expect([subscribers.size, waiting.hungUp(), behind.hungUp()]).toEqual([0, 0, 1]);
});
