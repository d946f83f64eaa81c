// Tests of delivering one request over several routes: real sockets on loopback, and dials that never come through.
import { afterEach, describe, expect, test } from "bun:test";
import { createFleetFetch, type FleetFetch } from "../shared/fleet_fetch.ts";
import { type Delivery, type DeliveryTimes, deliver, type Parcel } from "./deliver.ts";
import type { Route, RouteTry } from "./fleet/node_record.ts";

const realFetch = createFleetFetch();
const TIMES: DeliveryTimes = { connectMs: 2_000, staggerMs: 250 };
const NOBODY_WANTS_IT = new Error("the client left");
const BODY = '{"prompt":"once"}';

const servers: { stop(force?: boolean): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});

type Manner = "answers" | "never reads" | "never answers" | "resets";
interface Peer {
  readonly route: Route;
  /** Everything it has read, one text a connection. */
  readonly read: string[];
}

const routeTo = (host: string, port: number): Route => {
  const family = host.includes(":") ? "IPv6" : "IPv4";
  const origin = family === "IPv6" ? `http://[${host}]:${port}` : `http://${host}:${port}`;
  return { family, address: host, origin, reachable: null, rttMs: null };
};

/** A raw TCP server on a loopback address. */
function peer(hostname: string, manner: Manner = "answers"): Peer {
  const read: string[] = [];
  const server = Bun.listen<{ index: number }>({
    hostname,
    port: 0,
    socket: {
      open(socket) {
        socket.data = { index: read.push("") - 1 };
        if (manner === "never reads") socket.pause();
      },
      data(socket, bytes) {
        const text = (read[socket.data.index] ?? "") + bytes.toString();
        read[socket.data.index] = text;
        // A connection may carry several requests; the body is the end of each.
        if (!text.endsWith(BODY)) return;
        if (manner === "resets") socket.terminate();
        if (manner === "answers") socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      },
      error() {},
    },
  });
  servers.push(server);
  return { route: routeTo(hostname, server.port), read };
}

/** A loopback port on which nobody listens. */
function refusing(hostname: string): Route {
  const server = Bun.listen({ hostname, port: 0, socket: { data() {} } });
  const route = routeTo(hostname, server.port);
  server.stop(true);
  return route;
}

const BLACK_HOLE = routeTo("192.0.2.1", 1);
const OTHER_BLACK_HOLE = routeTo("2001:db8::1", 1);
/** The real fetch, except that dials of documentation addresses get no answer at all, and no packet leaves. */
const fetchWithBlackHoles: FleetFetch = (url, request) => {
  if (!url.startsWith(BLACK_HOLE.origin) && !url.startsWith(OTHER_BLACK_HOLE.origin)) return realFetch(url, request);
  return new Promise((_, reject) => {
    const { signal } = request;
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
};
/** The real fetch, which begins to dial `route` only after `ms`. */
const dialledLate =
  (route: Route, ms: number): FleetFetch =>
  async (url, request) => {
    if (url.startsWith(route.origin)) await Bun.sleep(ms);
    return fetchWithBlackHoles(url, request);
  };

interface Sent {
  readonly delivery: Delivery;
  readonly ms: number;
  /** What `onRoute` was told, in order. */
  readonly seen: readonly (readonly [Route, RouteTry])[];
}

async function send(
  routes: readonly Route[],
  {
    times = {},
    fetch = fetchWithBlackHoles,
    ...parcel
  }: Partial<Parcel> & { times?: Partial<DeliveryTimes>; fetch?: FleetFetch } = {},
): Promise<Sent> {
  const seen: (readonly [Route, RouteTry])[] = [];
  const startedAt = performance.now();
  const body = new TextEncoder().encode(BODY);
  const delivery = await deliver(
    routes,
    { path: "/execute", headers: { "x-request-id": "id" }, body, signal: new AbortController().signal, ...parcel },
    { fetch, times: { ...TIMES, ...times }, onRoute: (route, tried) => seen.push([route, tried]) },
  );
  return { delivery, ms: performance.now() - startedAt, seen };
}

/** The response of a delivery, which has to be one. */
async function responseOf(delivery: Delivery): Promise<Response> {
  if (delivery.kind !== "delivered")
    throw new Error(`not sent: ${delivery.failures.map(({ error }) => error.message)}`);
  return await delivery.response;
}
const bodiesIn = (...peers: Peer[]) =>
  peers
    .flatMap(({ read }) => read)
    .join("")
    .split(BODY).length - 1;

describe("one body for one connection", () => {
  test("the first route gets method, path, headers and the whole body with its length", async () => {
    const one = peer("::1");
    const { delivery, seen } = await send([one.route]);
    expect(await (await responseOf(delivery)).text()).toBe("ok");
    expect(one.read[0]).toStartWith("POST /execute HTTP/1.1\r\n");
    expect(one.read[0]?.toLowerCase()).toContain(`\r\ncontent-length: ${BODY.length}\r\n`);
    expect(one.read[0]?.toLowerCase()).toContain("\r\nx-request-id: id\r\n");
    expect(one.read[0]).toEndWith(`\r\n\r\n${BODY}`);
    expect(seen).toEqual([[one.route, "connected"]]);
  });

  test("of two connections that stand only one gets the body, the other at most headers", async () => {
    for (let round = 0; round < 50; round++) {
      const [one, other] = [peer("::1"), peer("127.0.0.1")];
      const { delivery } = await send([one.route, other.route], { times: { staggerMs: 0 } });
      expect((await responseOf(delivery)).status).toBe(200);
      await Bun.sleep(1);
      expect(bodiesIn(one, other)).toBe(1);
      const loser = delivery.kind === "delivered" && delivery.route === one.route ? other : one;
      for (const text of loser.read) expect(text.split("\r\n\r\n")[1] ?? "").toBe("");
    }
  });

  test("a first route that connects while the second is still being dialled is answered at once", async () => {
    const late = peer("::1");
    const { delivery, ms, seen } = await send([late.route, BLACK_HOLE], {
      fetch: dialledLate(late.route, 120),
      times: { staggerMs: 100 },
    });
    expect((await responseOf(delivery)).status).toBe(200);
    // Without it, after 2 s.
    expect(ms).toBeLessThan(1_500);
    expect(seen).toEqual([
      [late.route, "connected"],
      [BLACK_HOLE, "overtaken"],
    ]);
  });

  test("a first route slower than the stagger is overtaken, marked, and never gets anything", async () => {
    const [late, quick] = [peer("::1"), peer("127.0.0.1")];
    const { delivery, ms, seen } = await send([late.route, quick.route], { fetch: dialledLate(late.route, 1_000) });
    expect((await responseOf(delivery)).status).toBe(200);
    expect(ms).toBeGreaterThan(245);
    expect(ms).toBeLessThan(990);
    expect(seen).toEqual([
      [quick.route, "connected"],
      [late.route, "overtaken"],
    ]);
    await Bun.sleep(900);
    expect(late.read).toEqual([]);
  });

  test("fifty deliveries at once, over good, late, refused and dead routes, arrive once each", async () => {
    const [one, other] = [peer("::1"), peer("127.0.0.2")];
    const mixes = [
      [one.route, other.route],
      [refusing("::1"), other.route],
      [BLACK_HOLE, one.route],
      [BLACK_HOLE, refusing("127.0.0.1"), OTHER_BLACK_HOLE, other.route],
      [other.route],
    ];
    const sent = await Promise.all(
      Array.from({ length: 50 }, (_, index) => send(mixes[index % mixes.length] ?? [], { times: { staggerMs: 20 } })),
    );
    const statuses = await Promise.all(sent.map(async ({ delivery }) => (await responseOf(delivery)).status));
    expect(statuses).toEqual(statuses.map(() => 200));
    expect(bodiesIn(one, other)).toBe(50);
  });
});

describe("routes that fail", () => {
  test("a refused route costs nothing: the next one is dialled at once", async () => {
    const [refused, good] = [refusing("::1"), peer("127.0.0.1")];
    const { delivery, ms, seen } = await send([refused, good.route], { times: { staggerMs: 5_000 } });
    expect((await responseOf(delivery)).status).toBe(200);
    expect(ms).toBeLessThan(4_000);
    expect(seen).toEqual([
      [refused, "failed"],
      [good.route, "connected"],
    ]);
  });

  test("not_sent names every route in order, each with its own reason", async () => {
    const refused = refusing("127.0.0.1");
    const { delivery, ms, seen } = await send([BLACK_HOLE, refused, OTHER_BLACK_HOLE], {
      times: { connectMs: 500, staggerMs: 20 },
    });
    if (delivery.kind !== "not_sent") throw new Error("it was sent");
    expect(delivery.failures.map(({ route }) => route)).toEqual([BLACK_HOLE, refused, OTHER_BLACK_HOLE]);
    const [dead, shut, deadToo] = delivery.failures.map(({ error }) => error);
    expect(dead).toMatchObject({ name: "ConnectTimeout", message: "no connection within 500 ms" });
    expect(shut).toMatchObject({ code: "ECONNREFUSED" });
    expect(deadToo).toMatchObject({ name: "ConnectTimeout" });
    // Each route has its own time from its own start.
    expect(ms).toBeGreaterThan(515);
    expect(ms).toBeLessThan(1_000);
    expect(seen.map(([, tried]) => tried)).toEqual(["failed", "slow", "slow"]);
  });

  test("the connect limit survives a garbage collection", async () => {
    const collecting = setInterval(() => Bun.gc(true), 5);
    try {
      const { delivery } = await send([BLACK_HOLE], { times: { connectMs: 100 } });
      // Collected, it would never end, and the test's own limit would tell. How long collecting takes is the machine's.
      expect(delivery.kind).toBe("not_sent");
    } finally {
      clearInterval(collecting);
    }
  });

  test("without any route nothing is sent", async () => {
    expect((await send([])).delivery).toEqual({ kind: "not_sent", failures: [] });
  });
});

describe("after the body was delivered", () => {
  test("a reset is delivered all the same, with a response that rejects, and no other route is tried", async () => {
    const [resets, spare] = [peer("::1", "resets"), peer("127.0.0.1")];
    const { delivery, seen } = await send([resets.route, spare.route]);
    expect(delivery).toMatchObject({ kind: "delivered", route: resets.route });
    await expect(responseOf(delivery)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(spare.read).toEqual([]);
    expect(seen).toEqual([[resets.route, "connected"]]);
  });

  for (const manner of ["never reads", "never answers"] as const) {
    test(`a peer that ${manner} has connected; only the caller ends the wait, and nobody else gets the body`, async () => {
      const [mute, spare] = [peer("::1", manner), peer("127.0.0.1")];
      const caller = new AbortController();
      // More than the socket buffers hold.
      const body = new TextEncoder().encode(BODY.padEnd(manner === "never reads" ? 32_000_000 : 0));
      const { delivery } = await send([mute.route, spare.route], {
        body,
        signal: caller.signal,
        times: { connectMs: 50, staggerMs: 10 },
      });
      expect(delivery).toMatchObject({ kind: "delivered", route: mute.route });
      const response = responseOf(delivery);
      expect(await Promise.race([response, Bun.sleep(150)])).toBeUndefined();
      caller.abort(NOBODY_WANTS_IT);
      await expect(response).rejects.toBe(NOBODY_WANTS_IT);
      // On a busy machine it was dialled as well.
      expect(spare.read.join("")).not.toContain(BODY);
    });
  }
});

describe("the caller leaves", () => {
  test("during dialling: it stops at once, dials nothing more, and no route is blamed", async () => {
    const caller = new AbortController();
    const spare = peer("127.0.0.1");
    setTimeout(() => caller.abort(NOBODY_WANTS_IT), 60);
    const { delivery, ms, seen } = await send([BLACK_HOLE, OTHER_BLACK_HOLE, spare.route], {
      signal: caller.signal,
      times: { staggerMs: 40 },
    });
    expect(delivery.kind).toBe("not_sent");
    // Without it, after 2 s.
    expect(ms).toBeLessThan(1_500);
    expect(seen).toEqual([]);
    expect(spare.read).toEqual([]);
  });

  test("before dialling: nothing is sent and no route is blamed", async () => {
    const one = peer("127.0.0.1");
    const { delivery, seen } = await send([one.route], { signal: AbortSignal.abort(NOBODY_WANTS_IT) });
    expect(delivery.kind).toBe("not_sent");
    expect(seen).toEqual([]);
    expect(bodiesIn(one)).toBe(0);
  });
});
