/** The description of the API as it is served: the document, and the page that shows it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestHub, type TestHub } from "../../shared/testing/start_hub.ts";

let hub: TestHub;
beforeAll(() => {
  hub = startTestHub();
});
afterAll(() => hub.stop());

/** As it was written: what goes out compressed is minified as well. */
const get = async (path: string) => {
  const response = await fetch(hub.url + path, { headers: { "accept-encoding": "identity" } });
  return { response, text: await response.text() };
};

test("/openapi.json names the hub by the address at which it was asked", async () => {
  const response = await fetch(`${hub.url}/openapi.json`);
  expect(response.headers.get("content-type")).toStartWith("application/json");
  expect(await response.json()).toMatchObject({ openapi: "3.1.0", servers: [{ url: hub.url }, { url: "/" }] });

  const elsewhere = await fetch(`http://localhost:${hub.port}/openapi.json`, { headers: { host: "hub.lan:8000" } });
  expect(await elsewhere.json()).toMatchObject({ servers: [{ url: "http://hub.lan:8000" }, { url: "/" }] });
});

test("the page loads nothing from elsewhere, and its headers would not let it", async () => {
  const { response, text } = await get("/docs");
  expect(response.headers.get("content-security-policy")).toStartWith("default-src 'none'");
  const files = [...text.matchAll(/<(?:script|link)\b[^>]*(?:src|href)="([^"]*)"/g)].map(([, file = ""]) => file);
  expect(files.length).toBeGreaterThan(2);
  for (const file of files) {
    expect(file).toStartWith("/static/");
    expect((await get(file)).response.status).toBe(200);
  }
  expect(text).not.toMatch(/<style|\bstyle=|\bon\w+=|<script>/);
});

test("its scripts parse nothing as HTML and find every element they ask for", async () => {
  const [page, script, schema] = await Promise.all(["/docs", "/static/docs.js", "/static/docs_schema.js"].map(get));
  const code = `${script?.text}${schema?.text}`;
  expect(code).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|https?:/);
  const asked = [...code.matchAll(/\bfind\("(\w+)"\)/g)].map(([, id]) => id);
  expect(asked.length).toBeGreaterThan(4);
  expect(asked.filter((id) => !page?.text.includes(`id="${id}"`))).toEqual([]);
  const imports = [...code.matchAll(/from "\.\/(\w+\.js)"/g)].map(([, file]) => file);
  for (const file of imports) expect((await get(`/static/${file}`)).response.status).toBe(200);
});

test.each(["/", "/static/logs.html"])("the dashboard's page %s leads to it", async (path) => {
  const page = await fetch(hub.url + path, { headers: { accept: "text/html" } });
  expect(await page.text()).toContain('href="/docs"');
});
