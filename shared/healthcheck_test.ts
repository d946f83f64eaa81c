import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
  expect(target(host, 8000, "/healthz")).toEqual({ url, cert: null });
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
