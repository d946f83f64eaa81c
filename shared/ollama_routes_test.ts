import { expect, test } from "bun:test";
import fc from "fast-check";
import { findOllamaRoute, OLLAMA_ROUTES, withoutQuery } from "./ollama_routes.ts";

test.each(OLLAMA_ROUTES.filter(({ path }) => !path.includes(":")))("$path is found as it is", (route) => {
  expect(findOllamaRoute(route.path)).toBe(route);
});

test.each<[path: string, route: string]>([
  [`/api/blobs/sha256:${"a".repeat(64)}`, "/api/blobs/:digest"],
  ["/api/blobs/x", "/api/blobs/:digest"],
  ["/v1/models/llama3", "/v1/models/:model"],
  ["/v1/models/llama3:8b", "/v1/models/:model"],
  ["/v1/models/a%20b", "/v1/models/:model"],
  ["/v1/models/:model", "/v1/models/:model"],
  ["/api/user/keys/abc%3D", "/api/user/keys/:encodedKey"],
])("%s is found as %s", (path, route) => {
  expect(findOllamaRoute(path)?.path).toBe(route);
});

test.each([
  "",
  "//",
  "/api",
  "/api/",
  "/API/TAGS",
  "/api/tags/",
  "/api//tags",
  "//api/tags",
  "/api/tags?x=1",
  "/api/%74ags",
  "/api/tags/../ps",
  "/api/generate/x",
  "/v1",
  "/v1/models/",
  "/v1/models/me/x",
  "/v1/models/me%2Fx",
  "/v1/models/me%2fx",
  "/v2/models/x",
  "/api/blobs/",
  "/api/blobs/x/y",
  "/api/blobs/..%2F..%2Ftags",
  "/execute",
  "api/tags",
])("%p is none of Ollama's", (path) => {
  expect(findOllamaRoute(path)).toBeNull();
});

test("no path stands twice, and methods stand in the order of Ollama's Allow header", () => {
  const paths = OLLAMA_ROUTES.map(({ path }) => path);
  expect(new Set(paths).size).toBe(paths.length);
  const order = ["HEAD", "GET", "POST", "DELETE"];
  for (const { methods } of OLLAMA_ROUTES) {
    expect(methods.length).toBeGreaterThan(0);
    expect(methods.map((each) => order.indexOf(each))).toEqual(methods.map((each) => order.indexOf(each)).toSorted());
  }
});

test("whatever text comes, only what stands in the table is found", () => {
  const segment = fc.constantFrom("", "api", "v1", "tags", "models", "blobs", "..", "%2f", "%2F", ":model", "x", "?");
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
      const path = `/${segments.join("/")}`;
      const route = findOllamaRoute(path);
      if (route === null) return;
      const pattern = route.path.replace(/:[a-zA-Z]+$/, "");
      if (pattern === route.path) expect(path).toBe(route.path);
      else expect(path.slice(pattern.length)).not.toContain("/");
      expect(path).toStartWith(pattern);
    }),
  );
});

test.each([
  ["/api/chat", "/api/chat"],
  ["/api/chat?", "/api/chat"],
  ["/api/chat?a=b?c", "/api/chat"],
])("%s without its query is %s", (target, path) => {
  expect(withoutQuery(target)).toBe(path);
});
