/** Delivering what is too large to keep, and by another method than POST: real sockets on loopback. */
import { afterEach, expect, test } from "bun:test";
import { createFleetFetch } from "../shared/fleet_fetch.ts";
import { eventually } from "../shared/testing/start_hub.ts";
import { deliver, type Parcel } from "./deliver.ts";
import type { Route } from "./fleet/node_record.ts";

const fetch = createFleetFetch();
const never = new AbortController().signal;

const servers: { stop(force?: boolean): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});

interface Got {
  readonly method: string;
  readonly length: string | null;
  readonly encoding: string | null;
  bytes: number;
  /** Whether the body came to its end. */
  whole: boolean;
}

/** A server that reads every body to its end, slowly where `pauseMs`. */
function peer({ pauseMs = 0 } = {}): { route: Route; got: Got[] } {
  const got: Got[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    maxRequestBodySize: 1_000_000_000,
    async fetch(request) {
      const { method, headers } = request;
      const entry: Got = {
        method,
        length: headers.get("content-length"),
        encoding: headers.get("transfer-encoding"),
        bytes: 0,
        whole: false,
      };
      got.push(entry);
      for await (const piece of request.body ?? []) {
        entry.bytes += piece.byteLength;
        if (pauseMs > 0) await Bun.sleep(pauseMs);
      }
      entry.whole = true;
      return new Response("ok");
    },
  });
  servers.push(server);
  return { route: routeTo(server.port ?? 0), got };
}

function routeTo(port: number): Route {
  return { family: "IPv4", address: "127.0.0.1", origin: `http://127.0.0.1:${port}`, reachable: null, rttMs: null };
}

/** A port at which nobody listens. */
function refusing(): Route {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const { port } = server;
  server.stop(true);
  return routeTo(port ?? 0);
}

interface Watched {
  readonly stream: ReadableStream<Uint8Array>;
  pulls: number;
  cancelled: unknown;
}

/** `count` pieces of `size` bytes; then the end, or nothing more where `endless`. */
function pieces(count: number, size = 1_000, { endless = false } = {}): Watched {
  const watched: Watched = {
    pulls: 0,
    cancelled: null,
    stream: new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          watched.pulls++;
          if (watched.pulls <= count) return controller.enqueue(new Uint8Array(size));
          if (endless) return new Promise(() => {});
          return controller.close();
        },
        cancel(reason) {
          watched.cancelled = reason ?? "no reason";
        },
      },
      { highWaterMark: 0 },
    ),
  };
  return watched;
}

const send = (routes: readonly Route[], parcel: Partial<Parcel>) =>
  deliver(
    routes,
    { path: "/x", headers: {}, body: new Uint8Array(), signal: never, ...parcel },
    { fetch, times: { connectMs: 2_000, staggerMs: 250 }, onRoute: () => {} },
  );

async function statusOf(delivery: Awaited<ReturnType<typeof send>>): Promise<number> {
  if (delivery.kind !== "delivered") throw new Error("it was not delivered");
  return (await delivery.response).status;
}

test.each(["POST", "DELETE"] as const)("%s is sent as that, with a body of bytes and its length", async (method) => {
  const { route, got } = peer();
  expect(await statusOf(await send([route], { method, body: new TextEncoder().encode('{"model":"x"}') }))).toBe(200);
  expect(got).toMatchObject([{ method, length: "13", bytes: 13, whole: true }]);
});

test("bytes are handed over in pieces, so that a node that takes nothing does not have all of them copied for it", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000)).map((byte) => byte | 1);
  const large = new Uint8Array(5_000_000).map((_, at) => bytes[at % 60_000] ?? 0);
  const taken: Uint8Array[] = [];
  const takesSlowly: typeof fetch = async (_, { body }) => {
    for await (const piece of body as ReadableStream<Uint8Array>) taken.push(piece);
    return new Response("ok");
  };
  const parcel = { path: "/x", headers: {}, body: large, signal: never };
  const deps = { fetch: takesSlowly, times: { connectMs: 2_000, staggerMs: 250 }, onRoute: () => {} };
  expect(await statusOf(await deliver([routeTo(1)], parcel, deps))).toBe(200);
  expect(Math.max(...taken.map(({ byteLength }) => byteLength))).toBeLessThan(2_000_000);
  expect(Buffer.concat(taken).equals(large)).toBe(true);
});

test("a body that is freed while the node still takes it breaks off, and is never taken for a whole one", async () => {
  const { route, got } = peer({ pauseMs: 20 });
  const body = new Uint8Array(100_000_000);
  const delivery = await send([route], { body });
  await eventually(() => expect(got[0]?.bytes).toBeGreaterThan(0));
  body.buffer.transfer(0);
  await expect(statusOf(delivery)).rejects.toThrow();
  expect(got[0]?.whole).toBe(false);
});

test("an empty body is sent as one of no length", async () => {
  const { route, got } = peer();
  expect(await statusOf(await send([route], {}))).toBe(200);
  expect(got).toMatchObject([{ method: "POST", bytes: 0, whole: true }]);
});

test.each([0, 1, 50])("a stream of %p pieces arrives whole, without a length", async (count) => {
  const { route, got } = peer();
  expect(await statusOf(await send([route], { body: pieces(count).stream }))).toBe(200);
  expect(got).toMatchObject([{ length: null, bytes: count * 1_000, whole: true }]);
});

test("a stream whose length is said is sent with it", async () => {
  const { route, got } = peer();
  const parcel = { body: pieces(50).stream, headers: { "content-length": "50000" } };
  expect(await statusOf(await send([route], parcel))).toBe(200);
  expect(got).toMatchObject([{ bytes: 50_000, whole: true }]);
});

test("a stream goes to the second route untouched when the first is refused", async () => {
  const { route, got } = peer();
  const body = pieces(10);
  expect(await statusOf(await send([refusing(), route], { body: body.stream }))).toBe(200);
  expect(got).toMatchObject([{ bytes: 10_000, whole: true }]);
});

test("of a stream for a node that cannot be reached nothing is read, so that it can go elsewhere", async () => {
  const body = pieces(10);
  expect((await send([refusing(), refusing()], { body: body.stream })).kind).toBe("not_sent");
  expect(body.pulls).toBe(0);
  const { route, got } = peer();
  expect(await statusOf(await send([route], { body: body.stream }))).toBe(200);
  expect(got).toMatchObject([{ bytes: 10_000, whole: true }]);
});

test("a large stream is read as fast as the node takes it, not into memory", async () => {
  const { route, got } = peer({ pauseMs: 20 });
  const leaving = new AbortController();
  const body = pieces(10_000, 100_000);
  const delivery = await send([route], { body: body.stream, signal: leaving.signal });
  await eventually(() => expect(got[0]?.bytes).toBeGreaterThan(0));
  await Bun.sleep(200);
  // A gigabyte in all; what fits into buffers on the way has left.
  expect(body.pulls).toBeLessThan(2_000);
  leaving.abort(new Error("left"));
  await expect(statusOf(delivery)).rejects.toThrow();
});

test("a sender that breaks off in the middle breaks the request: half a stream is never taken for a whole one", async () => {
  const { route, got } = peer();
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await Bun.sleep(5);
      if (sent++ < 3) controller.enqueue(new Uint8Array(1_000));
      else controller.error(new Error("the client broke off"));
    },
  });
  await expect(send([route], { body }).then(statusOf)).rejects.toThrow();
  await Bun.sleep(50);
  expect(got.filter(({ whole }) => whole)).toEqual([]);
});

test("when nobody wants the answer any more, the sender is told to stop", async () => {
  const { route, got } = peer();
  const leaving = new AbortController();
  const body = pieces(3, 1_000, { endless: true });
  const delivery = await send([route], { body: body.stream, signal: leaving.signal });
  await eventually(() => expect(got[0]?.bytes).toBe(3_000));
  leaving.abort(new Error("left"));
  await expect(statusOf(delivery)).rejects.toThrow();
  await eventually(() => expect(body.cancelled).not.toBeNull());
  expect(got[0]?.whole).toBe(false);
});
