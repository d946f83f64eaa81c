/** Names come from other machines: none of forty injections runs on any page, and each is shown as it is. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, noBrowser, openBrowser, reads, type TestBrowser } from "../shared/testing/browser.ts";
import { type Crowd, modelsOf, startCrowd } from "./testing/crowd.ts";
import { openerOf } from "./testing/fleet_page.ts";
import { INJECTIONS, TREACHEROUS_IDS } from "./testing/injections.ts";

setDefaultTimeout(60_000);

describe.skipIf(noBrowser !== null)("hostile names", () => {
  let browser: TestBrowser;
  let crowd: Crowd;
  beforeAll(async () => {
    browser = await openBrowser();
    crowd = startCrowd({ environment: { NODE_MAX_FAILURES: "1" } });
    await startTrouble(crowd);
  });
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await crowd[Symbol.asyncDispose]();
  });

  afterEach(() => browser.verify());

  test("are shown as they are on the fleet page: of models, machines, graphics cards, versions, reasons", async () => {
    expect(INJECTIONS).toHaveLength(40);
    await using view = await browser.open(crowd.hub.url);
    const { page } = view;
    await reads(openerOf(page, "constructor"), "constructor");
    const more = page.locator("#models").getByRole("button", { name: "Show all" });
    await more.click();
    await openerOf(page, "evil").click();
    await openerOf(page, "toString").click();
    await page.locator("#happenings summary").click();
    await page
      .getByLabel("Filter")
      .first()
      .fill(INJECTIONS[0] ?? "");
    await eventually(async () => expect(await page.locator("#nodes tr.node").count()).toBe(2));
    await literally(page, "#models", INJECTIONS);
    await literally(page, "#nodes tr.details", INJECTIONS);
    await literally(page, "#try-model", INJECTIONS);
    await page.getByLabel("Filter").first().fill("");
    await reads(page.locator("#attention"), "<img src=x onerror=window.__pwned=1> broke");
    await harmless(page);

    // What an answer says, too.
    await page.locator("#try-model").selectOption({ index: 3 });
    await page.locator("#try-node").selectOption("evil");
    await page.locator("#try-prompt").fill(INJECTIONS.join("\n"));
    await page.locator("#try-it").getByRole("button", { name: "Send" }).click();
    await reads(page.locator("#try-status"), "evil answered");
    await literally(page, "#try-answer", INJECTIONS);
    await harmless(page);
  });

  test("are shown as they are in the request log, in its filters, its search and its address", async () => {
    const [, image = ""] = INJECTIONS;
    const query = new URLSearchParams({ q: image });
    await using view = await browser.open(`${crowd.hub.url}/static/logs.html?${query}`);
    const { page } = view;
    await eventually(async () => expect(await page.locator("tr.request").count()).toBeGreaterThan(0));
    expect(await page.getByRole("searchbox").inputValue()).toBe(image);
    await page.getByRole("searchbox").fill("");
    await eventually(async () =>
      expect(await page.locator("tr.request").count()).toBeGreaterThanOrEqual(INJECTIONS.length),
    );
    await literally(page, "#requests", INJECTIONS);
    await literally(page, "#filters", INJECTIONS);
    await reads(page.locator("#requests"), "the fan broke");
    for (const opener of (await page.locator("#requests .opener").all()).slice(0, 12)) await opener.click();
    await eventually(async () => expect(await page.locator("tr.whole .copyable").count()).toBe(12));
    for (const text of INJECTIONS) await page.getByRole("searchbox").fill(text);
    await page.getByRole("searchbox").fill("");
    await harmless(page);
    const odd = new URLSearchParams({ node: image, model: image, show: image });
    await page.goto(`${crowd.hub.url}/static/logs.html?${odd}`);
    await reads(page.locator("#empty"), "matches");
    await literally(page, "#filters", [image]);
    await harmless(page);
  });

  test("are shown as they are on the Explain page, wherever they come from", async () => {
    await using view = await browser.open(`${crowd.hub.url}/static/explain.html`, {
      expected: /status of 400/,
    });
    const { page } = view;
    for (const [index, name] of INJECTIONS.entries()) {
      // Every eighth is asked for by its address; the others as somebody would type or paste them.
      if (index % 8 === 0)
        await page.goto(`${crowd.hub.url}/static/explain.html?${new URLSearchParams({ model: name })}`);
      else {
        await page.getByLabel("Model").fill(name);
        await page.getByRole("button", { name: "Explain", exact: true }).click();
      }
      await literally(page, "#answer h2", [name.trim()]);
    }
    await literally(page, "#models", INJECTIONS, "value");
    await harmless(page);
    for (const name of INJECTIONS.slice(0, 6)) {
      const odd = new URLSearchParams({ model: "llama3", node: name, path: name });
      await page.goto(`${crowd.hub.url}/static/explain.html?${odd}`);
      await reads(page.locator("#answer"), /\S/);
      await harmless(page);
    }
  });
});

/** Nodes with every injection in every place that takes one, and requests that name them. */
async function startTrouble(crowd: Crowd): Promise<void> {
  const digest = "<script>window.__pwned=1</script>";
  await crowd.beat({
    node_id: "evil",
    ...modelsOf(INJECTIONS, INJECTIONS.slice(0, 3), digest),
    metadata: Object.fromEntries(INJECTIONS.map((text, index) => [`${text} ${index}`, text])),
    gpu: INJECTIONS.map((name) => ({ name, utilization: 0.5, memory_used: 1, memory_total: 2 })),
    agent_version: INJECTIONS[1],
    ollama: { ok: true, version: INJECTIONS[2] },
    capabilities: ["execute", "ollama", ...INJECTIONS.map((text) => text.slice(0, 64))],
    slots: 100,
  });
  await crowd.beat({ node_id: "evil-too", ...modelsOf(INJECTIONS.slice(0, 5), []) });
  for (const node_id of TREACHEROUS_IDS) await crowd.beat({ node_id });
  crowd.answer = (node) =>
    node === "main"
      ? Response.json({ error: "<img src=x onerror=window.__pwned=1> broke: the fan broke" }, { status: 500 })
      : new Response(INJECTIONS.map(line).join("") + line("", true));
  for (const model of INJECTIONS) await ask(crowd, model, "evil", model);
  for (const prompt of ["one", "two"]) await ask(crowd, "llama3", "main", prompt);
}

/** A line of an answer of /api/chat and of /api/generate at once. */
function line(text: string, done: unknown = false): string {
  const isLast = done === true;
  return `${JSON.stringify({ message: { role: "assistant", content: `${text}\n` }, response: text, done: isLast })}\n`;
}

async function ask({ hub }: Crowd, model: string, node: string, content: string): Promise<void> {
  const response = await fetch(`${hub.url}/api/chat`, {
    method: "POST",
    headers: { "x-node-id": node, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content }], [content]: content }),
  });
  await response.text();
}

/** Resolves once the text (or the attribute) of what is at `selector` contains each of `texts`. */
async function literally(page: Page, selector: string, texts: readonly string[], attribute = ""): Promise<void> {
  const found = `Array.from(document.querySelectorAll(${JSON.stringify(selector)}), (one) => ${
    attribute === ""
      ? "one.textContent"
      : `Array.from(one.querySelectorAll("[${attribute}]"), (each) => each.getAttribute("${attribute}")).join("\\n")`
  }).join("\\n")`;
  await eventually(async () => {
    const text = await page.evaluate<string>(found);
    expect({ selector, missing: texts.filter((one) => !text.includes(one)) }).toEqual({ selector, missing: [] });
  });
}

/** Nothing ran, nothing became an element, an attribute that runs, or a link to elsewhere. */
async function harmless(page: Page): Promise<void> {
  const found = await page.evaluate(`({
    ran: window.__pwned,
    elements: Array.from(document.querySelectorAll("main :is(script, img, iframe, object, embed, video, audio, link, " +
      "style, meta, base, math, marquee, template, form[action], svg:not(.phases))"), ({ outerHTML }) => outerHTML),
    handlers: Array.from(document.querySelectorAll("*"), (one) => one.getAttributeNames())
      .flat().filter((name) => name.startsWith("on") || name === "srcdoc"),
    links: Array.from(document.querySelectorAll("a"), (link) => link.getAttribute("href"))
      .filter((href) => !/^(\\/(?!\\/)|#[a-z-]+$)/.test(href)),
  })`);
  expect(found).toEqual({ ran: 0, elements: [], handlers: [], links: [] });
}
