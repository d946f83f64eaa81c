import { expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import { type BodyBudget, createBodyBudget } from "../body_budget.ts";
import { NO_ROOM, readUnpacked } from "./unpack.ts";

const MB = 1_000_000;
const UNPACKED = 19 * MB;
/** Some hundred bytes. */
const bomb = zstdCompressSync(`{"model":"a","x":"${"a".repeat(UNPACKED - 20)}"}`);
const never = new AbortController().signal;

/** A budget that remembers how much of it was taken at most. */
function watched(size: number): BodyBudget & { readonly most: number } {
  const budget = createBodyBudget(size);
  let most = 0;
  return {
    size,
    get taken() {
      return budget.taken;
    },
    get most() {
      return most;
    },
    oneByOne: budget.oneByOne,
    open() {
      const share = budget.open();
      return {
        holds: (whole) => share.holds(whole),
        release: () => share.release(),
        grow(bytes) {
          const fits = share.grow(bytes);
          most = Math.max(most, budget.taken);
          return fits;
        },
      };
    },
  };
}

test("of many small bodies that unpack to much, all together take what one of them does, and give it back", async () => {
  const budget = watched(100 * MB);
  expect(bomb.byteLength).toBeLessThan(2_000);
  const sizes = await Promise.all(
    Array.from({ length: 20 }, () => readUnpacked(bomb, (bytes) => bytes.byteLength, budget, never)),
  );
  expect(sizes).toEqual(Array.from({ length: 20 }, () => UNPACKED));
  expect(budget.most).toBe(UNPACKED);
  expect(budget.taken).toBe(0);
});

test("what does not fit beside other bodies is not unpacked further, and takes nothing in the end", async () => {
  const budget = watched(20 * MB);
  budget.open().grow(10 * MB);
  const read = () => expect.unreachable();
  expect(await readUnpacked(bomb, read, budget, never)).toBe(NO_ROOM);
  expect(budget.most).toBeLessThanOrEqual(20 * MB);
  expect(budget.taken).toBe(10 * MB);
});

test("a question fits, compressed or not, beside bodies that fill the budget", async () => {
  const budget = createBodyBudget(MB);
  budget.open().grow(MB);
  const read = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  expect(await readUnpacked(zstdCompressSync('{"model":"a"}'), read, budget, never)).toBe('{"model":"a"}');
});

test("the bytes are gone when they are read, and given back when reading fails", async () => {
  const budget = createBodyBudget(100 * MB);
  const kept = await readUnpacked(bomb, (bytes) => bytes, budget, never);
  expect((kept as Uint8Array).byteLength).toBe(0);
  const fails = () => {
    throw new Error("unreadable");
  };
  await expect(readUnpacked(bomb, fails, budget, never)).rejects.toThrow("unreadable");
  await readUnpacked(bomb, () => 0, budget, never);
  expect(budget.taken).toBe(0);
});

test("for a client that has left while others were read nothing is unpacked", async () => {
  const budget = watched(100 * MB);
  const left = new AbortController();
  const first = readUnpacked(zstdCompressSync("{}"), () => "first", budget, never);
  const second = readUnpacked(bomb, () => "second", budget, left.signal);
  left.abort();
  expect(await Promise.all([first, second])).toEqual(["first", undefined]);
  expect(budget.most).toBe(2);
});

test("a compressed body that does not fit is refused in the words of its route, to be sent again", async () => {
  const hub = startTestHub({ environment: { MAX_BODY_MB: "10", MAX_BUFFERED_MB: "10" } });
  try {
    const headers = { "content-encoding": "zstd" };
    const send = (path: string) => fetch(hub.url + path, { method: "POST", body: bomb, headers });
    for (const path of ["/v1/chat/completions", "/v1/messages"]) {
      const answer = await send(path);
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
      const { error } = (await answer.json()) as { error: { message: string } };
      expect(error.message).toContain("it holds 10 MB of other requests already (MAX_BUFFERED_MB)");
    }
    const explained = await send("/explain?path=/v1/chat/completions");
    expect(explained.status).toBe(503);
    expect(await explained.json()).toEqual({
      detail: "The hub cannot take it now: it holds 10 MB of other requests already (MAX_BUFFERED_MB)",
    });
    const { bodies } = (await (await fetch(`${hub.url}/queue`)).json()) as { bodies: { held: number } };
    expect(bodies.held).toBe(0);
  } finally {
    await hub.stop();
  }
});
