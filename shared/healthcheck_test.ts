import { expect, test } from "bun:test";
import { localUrl, whatIsWrong } from "./healthcheck.ts";

test.each([
  ["::", "http://127.0.0.1:8000/healthz"],
  ["0.0.0.0", "http://127.0.0.1:8000/healthz"],
  ["localhost", "http://localhost:8000/healthz"],
  ["192.168.1.20", "http://192.168.1.20:8000/healthz"],
  ["::1", "http://[::1]:8000/healthz"],
  ["fd00::1", "http://[fd00::1]:8000/healthz"],
])("a program that listens on %s is asked at %s", (host, url) => {
  expect(localUrl(host, 8000, "/healthz")).toBe(url);
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
  const url = localUrl("127.0.0.1", server.port ?? 0, "/healthz");
  expect(await whatIsWrong(url)).toBeNull();
  status = 503;
  expect(await whatIsWrong(url)).toBe(`${url} answered 503`);
  // Somebody else's server on that port, with a login page.
  status = 302;
  expect(await whatIsWrong(url)).toBe(`${url} answered 302`);
  expect(await whatIsWrong(localUrl("127.0.0.1", server.port ?? 0, "/silent"), 50)).toContain("did not answer");
  await server.stop(true);
  expect(await whatIsWrong(url)).toContain("did not answer");
});
