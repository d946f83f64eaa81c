/** What a page costs to open, and what its headers let it do: no browser is needed to know. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startTestHub, type TestHub } from "../shared/testing/start_hub.ts";

/** Bytes of all files of a page as they travel. */
const MOST = 60_000;
const PAGES = ["/", "/static/logs.html", "/static/explain.html", "/docs"];

let hub: TestHub;
beforeAll(() => {
  hub = startTestHub();
});
afterAll(() => hub.stop());

describe.each(PAGES)("the page %s", (path) => {
  test("with all it loads is 60 kB at most, compressed", async () => {
    const files = await firstLoad(path);
    const total = [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
    console.log(`${path}: ${files.size} files, ${total} bytes`);
    expect(files.size).toBeGreaterThan(5);
    expect(total).toBeLessThanOrEqual(MOST);
  });

  test("may run and show nothing but the hub's own files, says no one where it is, and stands in no frame", async () => {
    for (const file of (await firstLoad(path)).keys()) {
      const { headers } = await get(file);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      if (!headers.get("content-type")?.startsWith("text/html")) continue;
      const policy = headers.get("content-security-policy")?.split("; ") ?? [];
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).toContain("style-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toContain("base-uri 'none'");
      expect(policy).toContain("form-action 'none'");
      expect(policy.join()).not.toMatch(/unsafe|\*|https?:/);
      expect(headers.get("referrer-policy")).toBe("no-referrer");
    }
  });
});

/** A file as a browser asks for it, with the bytes that travelled. */
async function get(path: string) {
  const headers = { accept: "text/html", "accept-encoding": "gzip" };
  const response = await fetch(hub.url + path, { headers, decompress: false });
  expect({ path, status: response.status, encoding: response.headers.get("content-encoding") }).toEqual({
    path,
    status: 200,
    encoding: "gzip",
  });
  const bytes = await response.arrayBuffer();
  return { headers: response.headers, bytes: bytes.byteLength, text: new TextDecoder().decode(Bun.gunzipSync(bytes)) };
}

/** Every file that a page asks for before it is there, with its bytes: those it links to, and what their scripts import. */
async function firstLoad(page: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const waiting = [page];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    const { bytes, text } = await get(path);
    found.set(path, bytes);
    const named = path.endsWith(".js")
      ? text.matchAll(/\b(?:import|export)\b[^"';]*["']((?:\.{1,2}|\/static)\/[^"']+)["']/g)
      : text.matchAll(/<(?:script|link)\b[^>]*(?:src|href)="([^"]*)"/g);
    for (const [, name = ""] of named) waiting.push(new URL(name, `http://hub${path}`).pathname);
  }
  return found;
}
