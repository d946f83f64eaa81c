/** The contract of the router: wrong methods, unknown paths, slashes, HEAD, empty bodies, queries (0, 4.13). */
import { expect, test } from "bun:test";
import { native, plain, refusal } from "./answer.ts";
import { bodyBytes, onEveryTarget } from "./target.ts";
import { EXAMPLE, MESSAGES, PROMPT } from "./wire_examples.ts";

const wrongMethod = (allow: string) => plain("405 Method Not Allowed", "405 method not allowed", { allow });
const noPage = plain("404 Not Found", "404 page not found");
const DIGEST = `sha256:${"0".repeat(64)}`;

const GET_ROUTES = ["/api/ps", "/api/status", "/api/experimental/model-recommendations", "/v1/models", "/v1/models/x"];
const HEAD_ROUTES = ["/api/version", "/api/tags"];
const POST_ROUTES = [
  "/api/show",
  "/api/generate",
  "/api/chat",
  "/api/embed",
  "/api/embeddings",
  "/api/pull",
  "/api/push",
  "/api/create",
  "/api/copy",
  "/api/me",
  "/api/signout",
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/embeddings",
  "/v1/responses",
  "/v1/messages",
  "/v1/audio/transcriptions",
];

onEveryTarget("the router", { ollama: EXAMPLE }, (target) => {
  for (const path of POST_ROUTES) {
    test(`${path} is for POST alone (4.13)`, async () => {
      for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
        expect(await target.call(method, path)).toEqual(wrongMethod("POST"));
      }
      expect(await target.call("HEAD", path)).toEqual({ ...wrongMethod("POST"), body: "" });
    });
  }

  for (const path of GET_ROUTES) {
    test(`${path} is for GET alone, not even for HEAD`, async () => {
      expect(await target.post(path, {})).toEqual(wrongMethod("GET"));
      expect(await target.call("DELETE", path)).toEqual(wrongMethod("GET"));
      expect(await target.call("HEAD", path)).toEqual({ ...wrongMethod("GET"), body: "" });
    });
  }

  for (const path of HEAD_ROUTES) {
    test(`${path} is for HEAD and GET`, async () => {
      expect(await target.post(path, {})).toEqual(wrongMethod("HEAD, GET"));
      expect(await target.call("PATCH", path)).toEqual(wrongMethod("HEAD, GET"));
    });
  }

  test("the other routes name their methods too", async () => {
    expect(await target.post("/", {})).toEqual(wrongMethod("HEAD, GET"));
    expect(await target.post("/api/delete", {})).toEqual(wrongMethod("DELETE"));
    expect(await target.call("GET", `/api/blobs/${DIGEST}`)).toEqual(wrongMethod("HEAD, POST"));
    expect(await target.call("DELETE", `/api/blobs/${DIGEST}`)).toEqual(wrongMethod("HEAD, POST"));
  });

  test("OPTIONS without an Origin is a wrong method", async () => {
    const local = { Host: `127.0.0.1:${target.port}`, Connection: "close" };
    expect(await target.call("OPTIONS", "/api/chat", local)).toEqual(wrongMethod("POST"));
    expect(await target.call("OPTIONS", "/api/tags", local)).toEqual(wrongMethod("HEAD, GET"));
  });

  for (const path of [
    "/api",
    "/api/nope",
    "/api/tags/nope",
    "/api/TAGS",
    "/api/blobs",
    "/v1",
    "/v1/nope",
    "/v1/messages/count_tokens",
    "/v1/images/generations",
    "/v2/models",
    "/nope",
    "/nope.html",
    "/favicon.png",
  ]) {
    test(`${path} is unknown, whatever the method (4.13b)`, async () => {
      expect(await target.call("GET", path)).toEqual(noPage);
      expect(await target.post(path, { model: "llama3.2" })).toEqual(noPage);
      expect(await target.call("DELETE", path)).toEqual(noPage);
      expect(await target.call("HEAD", path)).toEqual({ ...noPage, body: "" });
    });
  }

  test("a slash too many is redirected: 301 for GET, 307 otherwise, the query kept", async () => {
    for (const path of ["/api/tags", "/api/ps", "/api/version", "/v1/models"]) {
      const answer = await target.call("GET", `${path}/?ts=1`);
      expect([answer.status, answer.headers.location]).toEqual(["301 Moved Permanently", `${path}?ts=1`]);
    }
    for (const path of ["/api/chat", "/api/show", "/v1/chat/completions"]) {
      const answer = await target.post(`${path}/`, { model: "llama3.2" });
      expect([answer.status, answer.headers.location]).toEqual(["307 Temporary Redirect", path]);
    }
    const removal = await target.send(bodyBytes("DELETE", "/api/delete/", { model: "nope" }));
    expect([removal.status, removal.headers.location]).toEqual(["307 Temporary Redirect", "/api/delete"]);
    const head = await target.call("HEAD", "/api/tags/");
    expect([head.status, head.headers.location]).toEqual(["307 Temporary Redirect", "/api/tags"]);
  });

  test("a query does not matter", async () => {
    expect(await target.call("GET", "/api/version?ts=1&x=%2F")).toEqual(await target.call("GET", "/api/version"));
    expect(await target.call("HEAD", "/?ts=1")).toEqual(await target.call("HEAD", "/"));
    const body = { model: "llama3.2", messages: MESSAGES, stream: false };
    expect(await target.post("/api/chat?ts=1755802102", body)).toEqual(await target.post("/api/chat", body));
    const generate = { model: "llama3.2", prompt: PROMPT };
    expect(await target.post("/api/generate?", generate)).toEqual(await target.post("/api/generate", generate));
  });

  test("an empty body is missing, on every route of Ollama's own that wants one", async () => {
    const missing = refusal("400 Bad Request", "missing request body");
    for (const path of ["/api/generate", "/api/chat", "/api/embed", "/api/show", "/api/pull", "/api/push"]) {
      expect(await target.post(path, "")).toEqual(missing);
    }
    for (const path of ["/api/create", "/api/copy"]) expect(await target.post(path, "")).toEqual(missing);
    expect(await target.send(bodyBytes("DELETE", "/api/delete", ""))).toEqual(missing);
    expect(await target.call("DELETE", "/api/delete")).toEqual(missing);
    expect(await target.call("POST", "/api/chat")).toEqual(missing);
  });

  test("nobody is signed in", async () => {
    const me = await target.call("POST", "/api/me");
    expect(me).toMatchObject({ status: "401 Unauthorized", headers: native("", "").headers });
    expect(JSON.parse(me.body).error).toBe("unauthorized");
    expect(await target.call("POST", "/api/signout")).toEqual(
      refusal("401 Unauthorized", "you are not currently signed in"),
    );
  });

  test("a client of HTTP/1.0 is answered too", async () => {
    const text = "\r\n\r\nOllama is running";
    const answer = await target.talk("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", (received) =>
      received.endsWith(text),
    );
    expect(answer).toEndWith(text);
  });

  test("several requests share a connection", async () => {
    const ask = "GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const three = /(HTTP\/1\.1 200 OK[^{]*\{"version":"0\.33\.0"\}){3}$/;
    expect(await target.talk(ask + ask + ask, (received) => three.test(received))).toMatch(three);
  });
});

onEveryTarget("cloud accounts", { ollama: EXAMPLE }, (target) => {
  test("there is no search and no fetching by a cloud", async () => {
    const none = (what: string) => refusal("403 Forbidden", `ollama cloud is disabled: web ${what} is unavailable`);
    expect(await target.post("/api/experimental/web_search", { query: "x" })).toEqual(none("search"));
    expect(await target.post("/api/experimental/web_fetch", { url: "https://example.com" })).toEqual(none("fetch"));
    for (const path of ["/api/experimental/web_search", "/api/experimental/web_fetch"]) {
      expect(await target.call("GET", path)).toEqual(wrongMethod("POST"));
    }
  });

  test("the old way to sign out is as good as the new one", async () => {
    expect(await target.call("DELETE", "/api/user/keys/c3NoLWVkMjU1MTk")).toEqual(
      refusal("401 Unauthorized", "you are not currently signed in"),
    );
    expect(await target.call("GET", "/api/user/keys/x")).toEqual(wrongMethod("DELETE"));
  });
});
