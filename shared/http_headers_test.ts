import { expect, test } from "bun:test";
import { headersForOllama, headersToPassOn } from "./http_headers.ts";

const passedOn = (from: Record<string, string>) => Object.fromEntries(headersToPassOn(new Headers(from)));

test("what describes the body is passed on as it is", () => {
  const headers = {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-cache",
    "retry-after": "7",
  };
  expect(passedOn(headers)).toEqual(headers);
});

test.each([
  "content-length",
  "content-encoding",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "upgrade",
  "trailer",
  "te",
  "proxy-authenticate",
  "date",
  "server",
  "set-cookie",
  "location",
  "access-control-allow-origin",
  "x-node-id",
  "x-request-id",
  "x-declined",
  "x-anything-else",
])("%s stays between hub and node", (name) => {
  expect(passedOn({ [name]: "x", "Content-Type": "application/json" })).toEqual({ "content-type": "application/json" });
});

test("what is not there is not invented", () => {
  expect(passedOn({})).toEqual({});
});

test("of a client's headers Ollama gets what describes the body and who asks, and nothing else", () => {
  const kept = { "content-type": "application/json", "content-encoding": "zstd", accept: "*/*", "user-agent": "curl" };
  const dropped = {
    authorization: "Bearer x",
    cookie: "a=b",
    origin: "http://x",
    host: "hub",
    "content-length": "5",
    "x-node-id": "a",
    "x-forwarded-for": "::1",
  };
  expect(headersForOllama(new Headers({ ...kept, ...dropped }))).toEqual(kept);
  expect(headersForOllama(new Headers())).toEqual({});
});
