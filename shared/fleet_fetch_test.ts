import { expect, test } from "bun:test";
import { createFleetFetch, errorCode, neverConnected, readText } from "./fleet_fetch.ts";
import { AUTHORITY, LEAF, OTHER_LEAF, type TestCertificate } from "./testing/certificates.ts";

const signal = () => AbortSignal.timeout(5000);

test("an answer without end is read up to its limit and then cut off", async () => {
  let sent = 0;
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1000;
      controller.enqueue(new Uint8Array(1000));
    },
    cancel() {
      cancelled = true;
    },
  });
  await expect(readText(new Response(endless), 10_000)).rejects.toThrow("larger than 10000 bytes");
  expect(cancelled).toBe(true);
  expect(sent).toBeLessThan(20_000);
});

test("an answer within the limit is read whole, across pieces that cut a character in two", async () => {
  const bytes = new TextEncoder().encode("grün ☃");
  const pieces = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
      controller.close();
    },
  });
  expect(await readText(new Response(pieces), bytes.length)).toBe("grün ☃");
});

test("a redirect is not followed, compressed bytes stay as they are, and a proxy in the environment is not asked", async () => {
  const packed = Bun.gzipSync(new TextEncoder().encode("secret"));
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) =>
      request.url.endsWith("/away")
        ? Response.redirect("/packed", 302)
        : new Response(packed, { headers: { "content-encoding": "gzip" } }),
  });
  const origin = `http://127.0.0.1:${server.port}`;
  const proxyBefore = process.env.HTTP_PROXY;
  process.env.HTTP_PROXY = "http://127.0.0.1:9";
  try {
    const fleetFetch = createFleetFetch();
    expect((await fleetFetch(`${origin}/away`, { signal: signal() })).status).toBe(302);
    const response = await fleetFetch(`${origin}/packed`, { signal: signal() });
    expect(await response.bytes()).toEqual(new Uint8Array(packed));
  } finally {
    if (proxyBefore === undefined) delete process.env.HTTP_PROXY;
    else process.env.HTTP_PROXY = proxyBefore;
  }
});

test("a fresh request has a connection of its own, others share one", async () => {
  const ports: number[] = [];
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request, { requestIP }) {
      ports.push(requestIP.call(server, request)?.port ?? 0);
      return new Response("ok");
    },
  });
  const fleetFetch = createFleetFetch();
  const ask = async (fresh: boolean) =>
    (await fleetFetch(`http://127.0.0.1:${server.port}/`, { signal: signal(), fresh })).text();
  for (const fresh of [false, false, true, true]) await ask(fresh);
  expect(ports[1]).toBe(ports[0] ?? -1);
  expect(new Set(ports).size).toBe(3);
});

test("a refused connection is known never to have stood, a reset one is not", async () => {
  const refused = await createFleetFetch()("http://127.0.0.1:1/", { signal: signal() }).catch(
    (error: unknown) => error,
  );
  expect(neverConnected(refused)).toBe(true);
  using reset = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: (socket) => socket.terminate() } });
  const cut = await createFleetFetch()(`http://127.0.0.1:${reset.port}/`, { signal: signal() }).catch(
    (error: unknown) => error,
  );
  expect(errorCode(cut)).toBe("ECONNRESET");
  expect(neverConnected(cut)).toBe(false);
});

test("of two certificates of one authority only the expected one is spoken to, on a new connection and on a kept one", async () => {
  const chain = LEAF.cert + AUTHORITY;
  const bodies: string[] = [];
  const serve = ({ key }: TestCertificate, cert: string) =>
    Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert, key },
      async fetch(request) {
        bodies.push(await request.text());
        return new Response();
      },
    });
  using node = serve(LEAF, chain);
  using other = serve(OTHER_LEAF, OTHER_LEAF.cert + AUTHORITY);
  const fetch = createFleetFetch();
  const ask = (port: number | undefined, cert: string, fresh: boolean) =>
    fetch(`https://127.0.0.1:${port}/`, { method: "POST", body: "prompt", cert, fresh, signal: signal() });
  for (const fresh of [true, false]) {
    expect((await ask(node.port, chain, fresh)).status).toBe(200);
    await expect(ask(other.port, chain, fresh)).rejects.toThrow("another certificate");
    // Kept for another expectation, it is a stranger's.
    await expect(ask(node.port, OTHER_LEAF.cert + AUTHORITY, fresh)).rejects.toThrow("another certificate");
    await expect(ask(node.port, "no certificate", fresh)).rejects.toThrow();
  }
  expect(bodies).toEqual(["prompt", "prompt"]);
});
