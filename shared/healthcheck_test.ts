import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localTarget, whatIsWrong } from "./healthcheck.ts";
import { HUB_CERTIFICATE, NODE_CERTIFICATE, type TestCertificate } from "./testing/certificates.ts";

const NO_TLS = { tlsCert: null, tlsKey: null, tlsClientCa: null };
const target = (host: string, port: number, path: string) => localTarget({ host, port }, NO_TLS, path);

test.each([
  ["::", "http://127.0.0.1:8000/healthz"],
  ["0.0.0.0", "http://127.0.0.1:8000/healthz"],
  ["localhost", "http://localhost:8000/healthz"],
  ["192.168.1.20", "http://192.168.1.20:8000/healthz"],
  ["::1", "http://[::1]:8000/healthz"],
  ["fd00::1", "http://[fd00::1]:8000/healthz"],
])("a program that listens on %s is asked at %s", (host, url) => {
  expect(target(host, 8000, "/healthz")).toEqual({ url, tls: null });
});

test("what answers 200 is well; another status, a refused connection and silence are not", async () => {
  let status = 200;
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) =>
      new URL(request.url).pathname === "/silent"
        ? new Promise<Response>(() => {})
        : new Response("ok", { status, headers: { location: "/" } }),
  });
  const asked = target("127.0.0.1", server.port ?? 0, "/healthz");
  const { url } = asked;
  expect(await whatIsWrong(asked)).toBeNull();
  status = 503;
  expect(await whatIsWrong(asked)).toBe(`${url} answered 503`);
  // Somebody else's server on that port, with a login page.
  status = 302;
  expect(await whatIsWrong(asked)).toBe(`${url} answered 302`);
  expect(await whatIsWrong(target("127.0.0.1", server.port ?? 0, "/silent"), 50)).toContain("did not answer");
  await server.stop(true);
  expect(await whatIsWrong(asked)).toContain("did not answer");
});

test("a program that listens with a certificate is asked by https, and has to show that one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "health-"));
  const files = (certificate: TestCertificate) => {
    const [tlsCert, tlsKey] = [join(folder, "cert"), join(folder, "key")];
    writeFileSync(tlsCert, certificate.cert);
    writeFileSync(tlsKey, certificate.key);
    return { tlsCert, tlsKey, tlsClientCa: null };
  };
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", tls: HUB_CERTIFICATE, fetch: () => new Response("ok") });
  const listens = { host: "127.0.0.1", port: server.port ?? 0 };
  const own = localTarget(listens, files(HUB_CERTIFICATE), "/healthz");
  expect(own.url).toStartWith("https://127.0.0.1:");
  expect(await whatIsWrong(own)).toBeNull();
  expect(await whatIsWrong(localTarget(listens, files(NODE_CERTIFICATE), "/healthz"))).toContain("did not answer");
  rmSync(folder, { recursive: true });
});

describe("a program that wants to see certificates of an authority", () => {
  /** What listens with `certificate` and wants its callers to have one of `clientCa`, asked as --healthcheck does. */
  async function ask(certificate: TestCertificate, clientCa: TestCertificate, expected = certificate) {
    const tls = { ...certificate, ca: clientCa.cert, requestCert: true, rejectUnauthorized: true };
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", tls, fetch: () => new Response("ok") });
    const url = `https://127.0.0.1:${server.port}/healthz`;
    return await whatIsWrong({ url, tls: { ...expected, clientCa: clientCa.cert } });
  }

  test("is shown the one there is, its own", async () => {
    expect(await ask(HUB_CERTIFICATE, HUB_CERTIFICATE)).toBeNull();
  });

  test("is well when it refuses that, since it shows its own before", async () => {
    expect(await ask(HUB_CERTIFICATE, NODE_CERTIFICATE)).toBeNull();
  });

  test("is not well when what refuses it is somebody else, speaks no TLS, says nothing or is not there", async () => {
    expect(await ask(HUB_CERTIFICATE, NODE_CERTIFICATE, NODE_CERTIFICATE)).toContain("did not answer");
    const tls = { ...HUB_CERTIFICATE, clientCa: NODE_CERTIFICATE.cert };
    const server = net
      .createServer((socket) => void socket.end("no TLS", () => socket.destroy()))
      .listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    const target = { url: `https://127.0.0.1:${port}/healthz`, tls };
    expect(await whatIsWrong(target)).toContain("did not answer");
    server.close();
    expect(await whatIsWrong(target)).toContain("did not answer");
    const held: net.Socket[] = [];
    const silent = net.createServer((socket) => void held.push(socket)).listen(port, "127.0.0.1");
    await once(silent, "listening");
    expect(await whatIsWrong(target, 200)).toContain("did not answer");
    for (const socket of held) socket.destroy();
    silent.close();
  });
});
