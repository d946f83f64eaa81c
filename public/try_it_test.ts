/** Try it and Use it on the fleet page: tokens that stream into it, stopping, errors in words, lines that are copied. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, noBrowser, openBrowser, reads, type TestBrowser, textOf } from "../shared/testing/browser.ts";
import { startFleet } from "../shared/testing/start_fleet.ts";
import { tile } from "./testing/fleet_page.ts";

setDefaultTimeout(60_000);

/** A name as other machines use it. To a browser such a page is not as safe as one of this machine. */
const LAN = "hub.lan";

describe.skipIf(noBrowser !== null)("on the fleet page", () => {
  let browser: TestBrowser;
  beforeAll(async () => {
    browser = await openBrowser({ hosts: [LAN] });
  });
  afterAll(() => browser[Symbol.asyncDispose]());
  afterEach(() => browser.verify());

  test("an answer streams into the page, and says who gave it and how fast", async () => {
    await using fleet = await startFleet({ ollama: { tokens: 60, tokensPerSecond: 25 } });
    await using view = await browser.open(fleet.hub.url);
    const { page } = view;
    await send(page, "Why is the sky blue?", "b");
    const status = page.locator("#try-status");
    await reads(status, /^b answers: first token after [\d.<]+ m?s; more is coming…$/);
    const lengths = [await lengthOf(page)];
    while (!(await textOf(status)).startsWith("b answered")) {
      lengths.push(await lengthOf(page));
      await Bun.sleep(20);
    }
    const seen = [...new Set(lengths)].length;
    expect({ grew: seen > 5, lengths }).toMatchObject({ grew: true });
    expect(await textOf(status)).toMatch(
      /^b answered: 6\d tokens in [\d.]+ s, [\d.]+ tokens\/s, first token after [\d.<]+ m?s\.$/,
    );
    expect(fleet.ollama("b").executions).toHaveLength(1);
    expect(fleet.ollama("a").executions).toHaveLength(0);
  });

  test("Stop ends it at once, at the node's Ollama as well, and the button keeps the focus", async () => {
    await using fleet = await startFleet({ nodes: ["a"], ollama: { tokens: 10_000, tokensPerSecond: 20 } });
    await using view = await browser.open(fleet.hub.url);
    const { page } = view;
    await send(page, "Count to ten thousand");
    await reads(page.locator("#try-status"), "more is coming");
    await reads(tile(page, "Active jobs"), "1 of 4");
    expect(fleet.ollama("a").counters.running).toBe(1);
    await page.locator("#try-stop").click();
    await reads(page.locator("#try-status"), "Stopped. a was answering.");
    expect(await page.evaluate("document.activeElement.id")).toBe("try-stop");
    await eventually(() => expect(fleet.ollama("a").counters.running).toBe(0));
    await reads(tile(page, "Active jobs"), "0 of 4");

    // Escape does the same, and a new question can be asked.
    await send(page, "Again");
    await reads(page.locator("#try-status"), "more is coming");
    await page.locator("#try-prompt").press("Escape");
    await reads(page.locator("#try-status"), "Stopped.");
  });

  test("what goes wrong is said in words, before the first token and after", async () => {
    await using fleet = await startFleet({ nodes: ["a"], ollama: { tokens: 40, tokensPerSecond: 40 } });
    await using view = await browser.open(fleet.hub.url, { expected: /status of 50\d/ });
    const { page } = view;
    fleet.ollama("a").fault({ kind: "outOfMemory" });
    await send(page, "Too much");
    await reads(page.locator("#try-status"), /^It failed: .*memory/);
    fleet.ollama("a").fault({ kind: "errorAfterTokens", tokens: 5, message: "the cat sat on the cable" });
    await send(page, "Half of it");
    await reads(page.locator("#try-status"), "It failed: the cat sat on the cable. a was answering.");
    expect(await lengthOf(page)).toBeGreaterThan(0);
  });

  test("where the hub asks for keys, every line to copy has a place for one", async () => {
    const hub = {
      environment: { API_KEYS: "admin:a-secret-of-the-admin", JOIN: "open" },
      key: "a-secret-of-the-admin",
    };
    await using fleet = await startFleet({ nodes: ["a"], hub });
    await using view = await browser.open(`${fleet.hub.url}/static/login.html`);
    const { page } = view;
    await page.evaluate(`fetch("/login", { method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ key: "a-secret-of-the-admin" }) })`);
    await page.goto(fleet.hub.url);
    await reads(page.locator("#use-it"), "curl -N -H 'Authorization: Bearer KEY' http");
    for (const name of ["curl", "ollama", "OpenAI", "Python", "JavaScript"]) {
      await page.locator("#use-it").getByRole("tab", { name, exact: true }).click();
      const text = await textOf(page.locator("#use-panel"));
      expect([name, /KEY|a key of this hub/.test(text), text.includes("unused")]).toEqual([name, true, false]);
    }
  });

  test("every line to copy is on the clipboard as it stands there", async () => {
    await using fleet = await startFleet({ nodes: ["a"], ollama: { models: ["qwen2.5:7b"] } });
    await using view = await browser.open(fleet.hub.url);
    const { page } = view;
    await reads(page.locator("#use-it"), "qwen2.5:7b");
    const texts: string[] = [];
    for (const tab of await page.locator("#use-it").getByRole("tab").all()) {
      await tab.click();
      await eventually(async () => expect(await tab.getAttribute("aria-selected")).toBe("true"));
      for (const piece of await page.locator("#use-it .copyable").all()) {
        await piece.getByRole("button").click();
        await reads(piece.getByRole("button"), "Copied");
        const shown = (await piece.locator("pre").textContent()) ?? "";
        expect(await page.evaluate<string>("navigator.clipboard.readText()")).toBe(shown);
        texts.push(shown);
      }
    }
    const all = texts.join("\n");
    for (const wanted of [
      "curl -N",
      "OLLAMA_HOST=",
      "from openai import",
      "import { Ollama }",
      `${fleet.hub.url}/v1`,
    ]) {
      expect(all).toContain(wanted);
    }
    expect(texts.filter((text) => !text.includes(fleet.hub.url))).toEqual([]);
    expect(texts.filter((text) => /model/.test(text) && !text.includes("qwen2.5:7b"))).toEqual([]);
  });

  test("over the network's own name, where browsers keep the clipboard closed, copying and asking work as well", async () => {
    await using fleet = await startFleet({ nodes: ["a"] });
    const address = `http://${LAN}:${fleet.hub.port}`;
    await using view = await browser.open(address);
    const { page } = view;
    expect(await page.evaluate("String(navigator.clipboard)")).toBe("undefined");
    await reads(page.locator("#use-it"), `curl -N ${address}/api/chat`);
    const piece = page.locator("#use-it .copyable").first();
    await piece.getByRole("button").click();
    await reads(piece.getByRole("button"), "Copied");
    const shown = await piece.locator("pre").textContent();
    const local = await page.context().newPage();
    await local.goto(fleet.hub.url);
    expect(await local.evaluate<string>("navigator.clipboard.readText()")).toBe(shown ?? "");
    await local.close();

    await page.bringToFront();
    await send(page, "Hello");
    await reads(page.locator("#try-status"), /^a answered: \d+ tokens in/);
  });
});

/** Types a prompt and sends it, to one node or any. */
async function send(page: Page, prompt: string, node = ""): Promise<void> {
  await page.locator(`#try-node option[value="${node}"]`).waitFor({ state: "attached" });
  await reads(page.locator("#try-model"), "in memory");
  await page.locator("#try-node").selectOption(node);
  await page.locator("#try-prompt").fill(prompt);
  await page.locator("#try-it").getByRole("button", { name: "Send" }).click();
}

const lengthOf = async (page: Page): Promise<number> =>
  ((await page.locator("#try-answer").textContent()) ?? "").length;
