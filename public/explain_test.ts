/** The Explain page: where a request would go, why, and that asking sends nothing. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { noBrowser, openBrowser, reads, type TestBrowser, textOf } from "../shared/testing/browser.ts";
import { type Crowd, modelsOf, startCrowd } from "./testing/crowd.ts";

setDefaultTimeout(60_000);

describe.skipIf(noBrowser !== null)("the Explain page", () => {
  let browser: TestBrowser;
  let crowd: Crowd;
  let jobs = 0;
  beforeAll(async () => {
    browser = await openBrowser();
    crowd = startCrowd();
    const { answer } = crowd;
    crowd.answer = (...job) => {
      jobs++;
      return answer(...job);
    };
    await crowd.beat({ node_id: "idle", load: { cpu: 0.1, memory: 0.5 } });
    await crowd.beat({ node_id: "busier", load: { cpu: 0.8, memory: 0.5 } });
    await crowd.beat({ node_id: "no-ollama", ollama: { ok: false } });
    await crowd.beat({ node_id: "other", ...modelsOf(["phi4:14b"], []) });
  });
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await crowd[Symbol.asyncDispose]();
  });

  afterEach(() => browser.verify());

  test("tells for a request that is typed in which node gets it, what decided, and why not the others", async () => {
    await using view = await browser.open(`${crowd.hub.url}/static/explain.html`);
    const { page } = view;
    await reads(page.locator("#connection"), "Live");
    expect(await textOf(page.locator("#answer"))).toBe("");
    await page.getByRole("combobox", { name: "Endpoint" }).selectOption("/api/chat");
    await page.getByLabel("Model").fill("llama3");
    await page.getByLabel("Model").press("Enter");
    const answer = page.locator("#answer");
    await reads(answer, "/api/chat with llama3");
    await reads(answer.locator("tbody tr").nth(0), /^1 idle ✓ gets it/);
    await reads(answer.locator("tbody tr").nth(1), /^2 busier behind idle: its CPU is busier .*80 % decided/);
    const text = await textOf(answer);
    expect(text).toMatch(/no-ollama ✕ [^✕]*Ollama/);
    expect(text).toMatch(/other ✕ [^✕]*model/);
    expect(text).toMatch(/IPv6 2001:db8::1 .*IPv4 127\.0\.0\.1/);
    expect(text).toContain("What is compared, in this order");
    expect(page.url()).toEndWith("?path=%2Fapi%2Fchat&model=llama3");
    expect(jobs).toBe(0);
  });

  test("a link asks at once, and a pinned node or an unknown model is told in words", async () => {
    await using view = await browser.open(`${crowd.hub.url}/static/explain.html?model=llama3&node=busier`);
    const { page } = view;
    await reads(page.locator("#answer tbody tr").nth(0), "busier ✓ gets it");
    expect(await page.getByRole("combobox", { name: "Node" }).inputValue()).toBe("busier");

    await page.goto(`${crowd.hub.url}/static/explain.html?model=llama3&node=other`);
    expect(await reads(page.locator("#answer .summary"), "other")).not.toContain("gets it");
    await page.goto(`${crowd.hub.url}/static/explain.html?model=no-such-model`);
    await reads(page.locator("#answer .summary"), "No node can serve it: none has the model.");
    expect(jobs).toBe(0);
  });

  test("takes a whole body, and says what is wrong with one that is no JSON", async () => {
    await using view = await browser.open(`${crowd.hub.url}/static/explain.html`, { expected: /status of 400/ });
    const { page } = view;
    await page.getByText("The whole request body").click();
    await page.getByLabel("Body as JSON").fill('{"model": "phi4:14b", "messages": []');
    await page.getByRole("button", { name: "Explain" }).click();
    await reads(page.getByRole("alert"), "The request body is no JSON:");
    await page.getByLabel("Body as JSON").fill('{"model": "phi4:14b", "messages": []}');
    await page.getByRole("button", { name: "Explain" }).click();
    await reads(page.locator("#answer tbody tr").nth(0), "other ✓ gets it");
    await page.goto(`${crowd.hub.url}/static/explain.html?model=llama3&path=/not/a/route`);
    await reads(page.getByRole("alert"), "/api/chat");
  });
});
