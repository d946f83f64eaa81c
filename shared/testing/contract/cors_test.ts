/** The contract of CORS: which origins may ask, what a preflight says; on every answer, also 404 and 405 (2.10). */
import { expect, test } from "bun:test";
import { empty, native, ndjson, plain } from "./answer.ts";
import { onEveryTarget, requestBytes } from "./target.ts";
import { EXAMPLE, PROMPT } from "./wire_examples.ts";

const ALLOWED = [
  "http://localhost",
  "https://localhost:3000",
  "http://127.0.0.1:8080",
  "https://127.0.0.1",
  "http://0.0.0.0:1",
  "app://obsidian.md",
  "file://",
  "tauri://localhost",
  "vscode-webview://abc",
  "vscode-file://vscode-app",
];
const FORBIDDEN = [
  "https://example.com",
  "http://localhost.example.com",
  "http://127.0.0.2",
  "http://192.168.1.5:3000",
  "chrome-extension://abc",
  "null",
  "ftp://localhost",
];
const noBody = empty("403 Forbidden");
const version = native("200 OK", '{"version":"0.33.0"}');

const corsHeaders = (origin: string) => ({ "access-control-allow-origin": origin, vary: "Origin" });
const askedFor = (method: string) => ({
  "Access-Control-Request-Method": method,
  "Access-Control-Request-Headers": "content-type",
  Connection: "close",
});
/** A list header as its members, in lower case. */
const members = (list = "") => list.split(",").map((each) => each.trim().toLowerCase());

onEveryTarget("CORS", { ollama: EXAMPLE }, (target) => {
  test("without an Origin nothing is said about it", async () => {
    expect(await target.call("GET", "/api/version")).toEqual(version);
  });

  test("the same origin passes without a word", async () => {
    const host = `127.0.0.1:${target.port}`;
    for (const scheme of ["http", "https"]) {
      expect(await target.call("GET", "/api/version", { Host: host, Origin: `${scheme}://${host}` })).toEqual(version);
    }
  });

  for (const origin of ALLOWED) {
    test(`${origin} may ask`, async () => {
      const answer = await target.call("GET", "/api/version", { Host: "127.0.0.1:11434", Origin: origin });
      expect(answer).toEqual({ ...version, headers: { ...version.headers, ...corsHeaders(origin) } });
    });
  }

  for (const origin of FORBIDDEN) {
    test(`${origin} may not ask, neither simply nor with a preflight`, async () => {
      expect(await target.call("GET", "/api/version", { Origin: origin })).toEqual(noBody);
      expect(await target.post("/api/generate", { model: "llama3.2", prompt: "x" }, { Origin: origin })).toEqual(
        noBody,
      );
      expect(await target.call("OPTIONS", "/api/chat", { Origin: origin, ...askedFor("POST") })).toEqual(noBody);
      expect(await target.call("GET", "/nope", { Origin: origin })).toEqual(noBody);
    });
  }

  test("a preflight is told the methods, the headers and for how long", async () => {
    for (const path of ["/api/chat", "/api/tags", "/v1/chat/completions", "/nope"]) {
      const origin = "http://localhost:3000";
      const answer = await target.call("OPTIONS", path, { Origin: origin, ...askedFor("POST") });
      expect(answer).toEqual({
        status: "204 No Content",
        headers: {
          ...corsHeaders(origin),
          vary: expect.stringMatching(/^Origin(, Access-Control-Request-(Method|Headers))*$/),
          "access-control-allow-headers": expect.any(String),
          "access-control-allow-methods": expect.any(String),
          "access-control-max-age": "43200",
        },
        body: "",
      });
      expect(members(answer.headers["access-control-allow-methods"])).toEqual(
        members("GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"),
      );
      const allowed = members(answer.headers["access-control-allow-headers"]);
      for (const name of ["Authorization", "Content-Type", "User-Agent", "Accept", "X-Requested-With", "OpenAI-Beta"]) {
        expect(allowed).toContain(name.toLowerCase());
      }
      expect(allowed).toContain("x-stainless-timeout");
      expect(allowed).toContain("x-stainless-retry-count");
    }
  });

  test("an allowed origin reads every answer: 404, 405, refusals, streams", async () => {
    const Origin = "tauri://localhost";
    const more = corsHeaders(Origin);
    const noPage = plain("404 Not Found", "404 page not found", more);
    expect(await target.call("GET", "/api/nope", { Origin })).toEqual(noPage);
    expect(await target.call("GET", "/api/chat", { Origin })).toEqual(
      plain("405 Method Not Allowed", "405 method not allowed", { allow: "POST", ...more }),
    );
    const unknown = await target.post("/api/chat", { model: "nope" }, { Origin });
    expect(unknown).toMatchObject({ status: "404 Not Found", headers: more });
    const foreign = await target.post("/v1/chat/completions", "", { Origin });
    expect(foreign).toMatchObject({ status: "400 Bad Request", headers: more });
    const stream = await target.post("/api/generate", { model: "llama3.2", prompt: PROMPT }, { Origin });
    expect(stream.headers).toEqual({ ...ndjson().headers, ...more });
    const events = { model: "llama3.2", stream: true, messages: [{ role: "user", content: PROMPT }] };
    const sse = await target.post("/v1/chat/completions", events, { Origin });
    expect(sse.headers).toEqual({ "content-type": "text/event-stream", ...more });
    expect(await target.call("HEAD", "/", { Origin })).toMatchObject({ status: "200 OK", headers: more });
  });

  test("neither credentials nor private networks are ever granted", async () => {
    const headers = { Origin: "http://localhost", "Access-Control-Request-Private-Network": "true" };
    const { head } = await target.exchange(requestBytes("OPTIONS", "/api/chat", { ...headers, ...askedFor("POST") }));
    expect(head.toLowerCase()).not.toContain("allow-credentials");
    expect(head.toLowerCase()).not.toContain("private-network");
  });

  // A hub is there for other machines, under whatever names they know it by; Ollama on loopback minds its name.
  if (!target.viaHub) {
    test("on loopback a strange Host is refused with 403, a local one is not", async () => {
      expect(await target.call("GET", "/api/version", { Host: "example.com" })).toEqual(noBody);
      expect(await target.call("GET", "/nope", { Host: "example.com:11434" })).toEqual(noBody);
      expect(await target.call("GET", "/api/version", { Host: "8.8.8.8" })).toEqual(noBody);
      for (const Host of ["localhost:1", "box.local", "a.internal", "x.localhost", "192.168.1.5:11434", "[::1]:1"]) {
        expect(await target.call("GET", "/api/version", { Host })).toEqual(version);
      }
    });
  }
});
