import { afterEach, expect, test } from "bun:test";
import net from "node:net";
import { networkInterfaces } from "node:os";
import { type HttpServer, ListenError, type ListenOptions, listen, peerAddress, startListener } from "./listen.ts";
import { HUB_CERTIFICATE } from "./testing/certificates.ts";

/** Whether this machine has IPv6 at all, its own loopback address at least. */
const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === "IPv6"));
if (!hasIPv6) console.log("listen_test: no IPv6 on this machine, so its tests of [::1] are skipped");

const servers: HttpServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});

/** A server on a free port; by default it answers with the request's path. */
function start(options: Partial<ListenOptions> = {}): { server: HttpServer; port: number } {
  const fetch = (request: Request) => new Response(new URL(request.url).pathname);
  const server = listen({ port: 0, fetch, ...options });
  servers.push(server);
  if (server.port === undefined) throw new Error("the server has no port");
  return { server, port: server.port };
}

/** What the server sends back for `request`, written byte by byte as given, until it closes. */
function raw(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(request));
    socket.setTimeout(5_000, () => socket.destroy(new Error(`no whole answer, only ${JSON.stringify(answer)}`)));
    socket.on("data", (data) => {
      answer += data.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
  });
}

test("by default it answers on 127.0.0.1", async () => {
  const { port } = start();
  expect(await (await fetch(`http://127.0.0.1:${port}/here`)).text()).toBe("/here");
});

test.skipIf(!hasIPv6)("by default it answers on [::1] as well", async () => {
  const { port } = start();
  expect(await (await fetch(`http://[::1]:${port}/here`)).text()).toBe("/here");
});

test("told one address, it listens on that alone", async () => {
  const { port } = start({ hostname: "127.0.0.1" });
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  if (hasIPv6) await expect(fetch(`http://[::1]:${port}/`)).rejects.toThrow();
});

test("an IPv4 peer of a dual-stack socket is named without its prefix", async () => {
  const { port } = start({ fetch: (request, server) => new Response(peerAddress(server, request)) });
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("127.0.0.1");
});

test.skipIf(!hasIPv6)("an IPv6 peer is named as it is", async () => {
  const { port } = start({ fetch: (request, server) => new Response(peerAddress(server, request)) });
  expect(await (await fetch(`http://[::1]:${port}/`)).text()).toBe("::1");
});

test("a port in use is told in a sentence with the port and what to do", () => {
  const { port } = start();
  let error: unknown;
  try {
    start({ port });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ListenError);
  expect(error).toHaveProperty(
    "message",
    `port ${port} is in use: stop the program that has it (ss -ltnp | grep :${port}) or set another port (PORT for a hub, NODE_PORT for a node)`,
  );
});

test("an address that is not this machine's is told by its name", () => {
  expect(() => start({ hostname: "192.0.2.1" })).toThrow(ListenError);
  expect(() => start({ hostname: "192.0.2.1" })).toThrow(/this machine does not have the address 192\.0\.2\.1/);
});

test.each(["", "a b", "a/b", "a?b", "u@h", "h:99999", "[fe80::1%25e/zz]"])(
  "a request whose Host is %p never reaches a route",
  async (host) => {
    const reached: string[] = [];
    const { port } = start({
      fetch: (request) => {
        reached.push(request.url);
        return new Response("reached");
      },
    });
    const answer = await raw(port, `GET /admin/nodes HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(answer).toStartWith("HTTP/1.1 400");
    expect(reached).toEqual([]);
  },
);

test("a malformed Host is refused in the shape of every other error", async () => {
  const { port } = start();
  const answer = await raw(port, "GET /nodes HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n");
  expect(answer).toEndWith('{"detail":"The Host header is missing or malformed"}');
});

test("HTTP/1.0 without a Host never reaches a route", async () => {
  const { port } = start();
  expect(await raw(port, "GET /x/nodes HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.[01] 400/);
});

test("a well-formed Host of any name reaches the route: the hub may be called by any", async () => {
  const { port } = start();
  for (const host of ["hub", "hub.local:8000", "192.168.1.10:8000", "[2001:db8::1]:8000"]) {
    const answer = await raw(port, `GET /nodes HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(answer).toStartWith("HTTP/1.1 200");
    expect(answer).toEndWith("/nodes");
  }
});

test("a route that throws answers 500 in one sentence and tells nothing of its insides", async () => {
  const { port } = start({
    fetch: () => {
      throw new Error("secret");
    },
  });
  const response = await fetch(`http://127.0.0.1:${port}/`);
  expect(response.status).toBe(500);
  expect(await response.text()).toBe('{"detail":"Internal error"}');
});

test("a body beyond the limit is refused before the route sees it", async () => {
  const { port } = start({ maxRequestBodySize: 10, fetch: async (request) => new Response(await request.text()) });
  const post = (body: string) => fetch(`http://127.0.0.1:${port}/`, { method: "POST", body });
  expect((await post("0123456789")).status).toBe(200);
  expect((await post("0123456789a")).status).toBe(413);
});

test("a certificate that cannot be listened with is thrown back, and the old one stays in use on the same port", async () => {
  const old = { ...HUB_CERTIFICATE, clientCa: null };
  const listener = startListener({ port: 0, hostname: "127.0.0.1", tls: old, fetch: () => new Response("here") });
  const { port } = listener.server;
  expect(() => listener.renew({ ...old, cert: "broken" })).toThrow(ListenError);
  expect(listener.server.port).toBe(port);
  const tls = { ca: HUB_CERTIFICATE.cert };
  expect(await (await fetch(`https://127.0.0.1:${port}/`, { tls, keepalive: false })).text()).toBe("here");
  await listener.stop(true);
});
