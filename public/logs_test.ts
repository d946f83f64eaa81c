/** The request log page in front of a hub whose requests succeed, fail over and fail. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { eventually, noBrowser, openBrowser, reads, type TestBrowser, textOf } from "../shared/testing/browser.ts";
import { type Crowd, modelsOf, startCrowd } from "./testing/crowd.ts";

setDefaultTimeout(60_000);

const LOG = "/static/logs.html";

describe.skipIf(noBrowser !== null)("the request log", () => {
  let browser: TestBrowser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser[Symbol.asyncDispose]());
  afterEach(() => browser.verify());

  test("says how to send a request while there is none, then shows each as it ends, newest first", async () => {
    await using crowd = await crowdWithTrouble();
    await using view = await browser.open(crowd.hub.url + LOG);
    const { page } = view;
    const empty = await reads(page.locator("#empty"), "No request has come since the hub started.");
    expect(empty).toContain(`curl -N ${crowd.hub.url}/jobs`);
    await reads(page.locator("#empty"), '"model":"llama3:latest"');

    await ask(crowd, "/jobs", "llama3", "first");
    await reads(page.locator("#requests tr.request"), "/jobs llama3");
    await ask(crowd, "/api/generate", "qwen2.5:7b", "second");
    await reads(page.locator("#requests tr.request"), "/api/generate qwen2.5:7b");
    // "broken" goes first, being idle; its IPv6 is used, of the other one only IPv4 answers.
    const row = await textOf(page.locator("#requests tr.request").nth(1));
    expect(row).toMatch(
      /^\d\d:\d\d:\d\d ?, details 127\.0\.0\.1 \/jobs llama3 broken IPv6 .+ → , then works IPv4 ok ✓ 200 success/,
    );
    expect(await page.locator("#requests tr.request").count()).toBe(2);
  });

  test("a row opens to the whole record: attempts, the request's JSON, and why that node", async () => {
    await using crowd = await crowdWithTrouble();
    await ask(crowd, "/jobs", "llama3", "Why is the sky blue?");
    await using view = await browser.open(crowd.hub.url + LOG);
    const { page } = view;
    const opener = page.locator("#requests .opener").first();
    await opener.click();
    const record = page.locator("#requests tr.whole");
    const text = await reads(record, "Why this node");
    expect(text).toContain("Attempts broken over IPv6 http://[2001:db8::1]:10000");
    expect(text).toContain("works over IPv4 http://127.0.0.1:10001");
    expect(JSON.parse((await record.getByLabel("request JSON", { exact: true }).textContent()) ?? "")).toEqual({
      model: "llama3",
      prompt: "Why is the sky blue?",
    });
    // One decision for each look: first the broken node, then the one that works.
    expect(await record.locator(".decision").count()).toBe(2);
    await reads(record.locator(".decision").first(), /broken gets it/);
    await reads(record.locator(".decision").nth(1), /works gets it/);
    await record.getByRole("link", { name: "Where would it go now?" }).click();
    await reads(page.locator("#answer"), "/jobs with llama3");
  });

  test("can be filtered by outcome, node and model and searched, and the address keeps it", async () => {
    await using crowd = await crowdWithTrouble();
    await ask(crowd, "/jobs", "llama3", "one");
    await ask(crowd, "/jobs", "qwen2.5:7b", "two");
    await ask(crowd, "/api/chat", "no-such-model", "three");
    await using view = await browser.open(crowd.hub.url + LOG, { expected: /status of (404|503)/ });
    const { page } = view;
    const shows = (...models: string[]) =>
      eventually(async () => expect(await page.locator("tr.request .model").allInnerTexts()).toEqual(models));
    await shows("no-such-model", "qwen2.5:7b", "llama3");
    const choice = (name: RegExp) => page.getByRole("group", { name: "Which requests" }).getByRole("button", { name });
    await choice(/^Success 2$/).click();
    await shows("qwen2.5:7b", "llama3");
    await choice(/^Errors 1$/).click();
    await shows("no-such-model");
    expect(await page.locator("tr.request").first().innerText()).toContain("✕");
    await choice(/^All 3$/).click();
    await page.getByRole("combobox", { name: /^Node/ }).selectOption("works");
    await shows("qwen2.5:7b", "llama3");
    await page.getByRole("combobox", { name: /^Model/ }).selectOption("llama3");
    await shows("llama3");
    await page.getByRole("combobox", { name: /^Node/ }).selectOption({ label: "any" });
    await page.getByRole("combobox", { name: /^Model/ }).selectOption({ label: "any" });
    await page.getByRole("searchbox").fill("CHAT no-such");
    await shows("no-such-model");
    expect(new URL(page.url()).searchParams.get("q")).toBe("CHAT no-such");
    await page.reload();
    await shows("no-such-model");
    expect(await page.getByRole("searchbox").inputValue()).toBe("CHAT no-such");
    await page.getByRole("searchbox").fill("nothing has this");
    await reads(page.locator("#empty"), "None of the 3 requests matches.");
    await page.getByRole("button", { name: "Show all" }).click();
    await shows("no-such-model", "qwen2.5:7b", "llama3");
    expect(new URL(page.url()).search).toBe("");
  });

  test("Pause holds it still and counts what comes, Clear hides, Export saves what is shown", async () => {
    await using crowd = await crowdWithTrouble();
    for (const prompt of ["one", "two", "three"]) await ask(crowd, "/jobs", "llama3", prompt);
    await using view = await browser.open(crowd.hub.url + LOG);
    const { page } = view;
    const rows = page.locator("#requests tr.request");
    await eventually(async () => expect(await rows.count()).toBe(3));
    await page.getByRole("button", { name: "Pause" }).click();
    for (const prompt of ["four", "five"]) await ask(crowd, "/jobs", "qwen2.5:7b", prompt);
    await reads(page.locator("#actions"), "Resume (2 new)");
    expect(await rows.count()).toBe(3);
    await page.getByRole("button", { name: "Resume" }).click();
    await eventually(async () => expect(await rows.count()).toBe(5));

    await page.getByRole("combobox", { name: /^Model/ }).selectOption("llama3");
    await eventually(async () => expect(await rows.count()).toBe(3));
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Export NDJSON" }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^requests-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.ndjson$/);
    const lines = (await readFile(await download.path(), "utf8")).trimEnd().split("\n");
    const records = lines.map((line) => JSON.parse(line) as { request_id: string; request_json: { prompt: string } });
    expect(records.map(({ request_id }) => request_id)).toEqual(await idsIn(page));
    expect(records.map(({ request_json }) => request_json.prompt)).toEqual(["three", "two", "one"]);
    await reads(page.locator("#said"), "Saved 3 requests as requests-");

    await page.getByRole("combobox", { name: /^Model/ }).selectOption({ label: "any" });
    await page.getByRole("button", { name: "Clear" }).click();
    await eventually(async () => expect(await rows.count()).toBe(0));
    await reads(page.locator("#actions"), "5 hidden by Clear");
    await ask(crowd, "/jobs", "llama3", "six");
    await eventually(async () => expect(await rows.count()).toBe(1));
    await page.getByRole("button", { name: "Show again" }).click();
    await eventually(async () => expect(await rows.count()).toBe(6));
  });

  test("who reads an open row keeps place and focus while requests come in", async () => {
    await using crowd = await crowdWithTrouble();
    for (let index = 0; index < 30; index++) await ask(crowd, "/jobs", "no-such-model", `early ${index}`);
    await using view = await browser.open(crowd.hub.url + LOG);
    const { page } = view;
    const opener = page.locator("#requests .opener").nth(20);
    await opener.click();
    await reads(page.locator("#requests tr.whole"), "Request");
    await opener.scrollIntoViewIfNeeded();
    const [id, top] = [await focusedId(page), await focusedTop(page)];
    expect(id).toBe((await idsIn(page))[20] ?? "");
    for (let index = 0; index < 10; index++) await ask(crowd, "/jobs", "no-such-model", `late ${index}`);
    await eventually(async () => expect(await idsIn(page)).toHaveLength(40));
    expect(await focusedId(page)).toBe(id);
    await eventually(async () => expect(Math.abs((await focusedTop(page)) - top)).toBeLessThan(3));
    expect(await page.locator("#requests tr.whole").count()).toBe(1);
  });
});

/** A node that is idle and fails, one that is busier and works, over IPv4 only. */
async function crowdWithTrouble(): Promise<Crowd> {
  const crowd = startCrowd({ environment: { NODE_MAX_FAILURES: "1000" } });
  const models = modelsOf(["llama3:latest", "qwen2.5:7b"], ["llama3:latest", "qwen2.5:7b"]);
  await crowd.beat({ node_id: "broken", ...models, load: { cpu: 0, memory: 0.1 } });
  await crowd.beat({ node_id: "works", ...models, load: { cpu: 0.9, memory: 0.1 } });
  crowd.dead.add("[2001:db8::2]");
  const answer = crowd.answer;
  crowd.answer = (node, body) =>
    node === "broken" ? Response.json({ error: "the fan is stuck" }, { status: 500 }) : answer(node, body);
  return crowd;
}

/** A request, read to its end. Resolves when the hub has it in its log: the next one is newer then. */
async function ask({ hub }: Crowd, path: string, model: string, prompt: string): Promise<void> {
  const input = path === "/api/chat" ? { messages: [{ role: "user", content: prompt }] } : { prompt };
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ model, ...input });
  const response = await fetch(hub.url + path, { method: "POST", headers, body });
  await response.text();
  const record = `${hub.url}/logs/${response.headers.get("x-request-id")}`;
  await eventually(async () => expect((await fetch(record)).status).toBe(200));
}

/** Request ids of the rows, from top to bottom. */
const idsIn = (page: Page): Promise<string[]> =>
  page.evaluate(`Array.from(document.querySelectorAll("tr.request"), ({ record }) => record.request_id)`);
const focusedId = (page: Page): Promise<string> =>
  page.evaluate(`document.activeElement.closest("tr")?.record?.request_id ?? ""`);
const focusedTop = (page: Page): Promise<number> => page.evaluate("document.activeElement.getBoundingClientRect().top");
