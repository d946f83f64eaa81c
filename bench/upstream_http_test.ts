import { expect, test } from "bun:test";
import { readRequest } from "./upstream_http.ts";

const HEAD = "POST /api/generate HTTP/1.1\r\nHost: a\r\n";

test("a request is read once it is whole", () => {
  const text = `${HEAD}Content-Length: 5\r\n\r\nhello`;
  expect(readRequest(text.slice(0, -1))).toBeNull();
  expect(readRequest(text)).toEqual({
    request: { method: "POST", path: "/api/generate", body: "hello" },
    bytes: text.length,
    close: false,
  });
});

test("what follows a request is not part of it", () => {
  const text = "GET /health?a=b HTTP/1.1\r\nHost: a\r\n\r\n";
  expect(readRequest(`${text}GET / HT`)?.bytes).toBe(text.length);
});

test("a body in chunks is read to its end", () => {
  const text = `${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n`;
  expect(readRequest(text.slice(0, -2))).toBeNull();
  expect(readRequest(text)?.request.body).toBe("hello");
  expect(readRequest(text)?.bytes).toBe(text.length);
});

test("who wants the connection closed after the answer is understood", () => {
  expect(readRequest(`${HEAD}connection: close\r\n\r\n`)?.close).toBe(true);
});
