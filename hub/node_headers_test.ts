import { expect, test } from "bun:test";
import { startTestHub } from "../shared/testing/start_hub.ts";
import { headersFromNode } from "./node_headers.ts";

const passed = (from: Record<string, string>) => Object.fromEntries(headersFromNode(new Headers(from)));

test.each([
  ["application/json"],
  ["application/json; charset=utf-8"],
  ["application/json;charset=utf-8"],
  ["application/x-ndjson"],
  ["text/event-stream"],
  ["text/plain"],
  ["text/plain; charset=utf-8"],
])("the label %s, which Ollama gives, passes as it is", (type) => {
  expect(passed({ "content-type": type, "cache-control": "no-cache" })).toEqual({
    "content-type": type,
    "cache-control": "no-cache",
  });
});

test.each([
  ["text/html"],
  ["TEXT/HTML; charset=utf-8"],
  ["image/svg+xml"],
  ["application/xhtml+xml"],
  ["application/javascript"],
  ["text/plain, text/html"],
  ["application/json, text/html"],
  ["text/plain; charset=utf-7"],
  ["text/plain; x=text/html"],
  ["*/*"],
  [""],
])("what is labelled %j is labelled as bytes", (type) => {
  expect(passed({ "content-type": type })).toEqual({ "content-type": "application/octet-stream" });
});

test.each([["public, max-age=31536000"], ["max-age=1"], ["immutable"], ["no-cache, public"], ["no-store"]])(
  "how long a client may keep an answer is not for a node to say: %s",
  (value) => {
    expect(passed({ "content-type": "application/json", "cache-control": value })).toEqual({
      "content-type": "application/json",
    });
  },
);

test("when to come again passes, and what is not there is not invented", () => {
  expect(passed({})).toEqual({});
  expect(passed({ "retry-after": "7" })).toEqual({ "retry-after": "7" });
});

test("nothing that a node answers is a page of the hub, or can be kept", async () => {
  const line = `{"model":"m","response":"<script>alert(1)</script>","done":true}\n`;
  using node = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ url }) =>
      new URL(url).pathname === "/health"
        ? Response.json({ status: "ok", node_id: "evil" })
        : new Response(line, { headers: { "content-type": "text/html", "cache-control": "public, max-age=31536000" } }),
  });
  const hub = startTestHub();
  try {
    const beat = { node_id: "evil", ipv4: "127.0.0.1", ipv6: null, port: node.port, models: ["m"], metadata: {} };
    await hub.heartbeat(beat);
    for (const stream of [false, true]) {
      const body = JSON.stringify({ model: "m", prompt: "x", stream });
      const answer = await fetch(`${hub.url}/jobs`, { method: "POST", body });
      expect([answer.status, await answer.text()]).toEqual([200, line]);
      expect(answer.headers.get("content-type")).toBe("application/octet-stream");
      expect(answer.headers.get("cache-control")).toBeNull();
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    }
  } finally {
    await hub.stop();
  }
});
