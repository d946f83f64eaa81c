/** The table of nodes and what stands around it: filter, order, groups, totals of charts, themes. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, noBrowser, openBrowser, reads, type TestBrowser, textOf } from "../shared/testing/browser.ts";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { modelsOf, startCrowd } from "./testing/crowd.ts";
import { namesInTable, rowOf, tile } from "./testing/fleet_page.ts";

setDefaultTimeout(60_000);

/** Resolves once the table shows exactly these nodes in this order. */
const shows = (page: Page, ...names: string[]) =>
  eventually(async () => expect(await namesInTable(page)).toEqual(names));

describe.skipIf(noBrowser !== null)("the table of nodes", () => {
  let browser: TestBrowser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser[Symbol.asyncDispose]());
  afterEach(() => browser.verify());

  test("can be filtered by words and by state, sorted both ways, and grouped", async () => {
    await using crowd = startCrowd();
    await crowd.beat({ node_id: "node-10", load: { cpu: 0.9, memory: 0.1 } });
    await crowd.beat({ node_id: "node-9", load: { cpu: 0.1, memory: 0.2 } });
    await crowd.beat({ node_id: "attic", load: null, ...modelsOf(["phi4:14b"], []) });
    await crowd.beat({ node_id: "cellar", load: { cpu: 0.5, memory: 0.9 }, ollama: { ok: false } });
    await using view = await browser.open(crowd.hub.url);
    const { page } = view;
    const nodes = page.locator("#nodes");
    await shows(page, "attic", "cellar", "node-9", "node-10");

    await nodes.getByLabel("Filter").fill("PHI4");
    await shows(page, "attic");
    expect(await textOf(nodes.locator(".found"))).toBe("1 of 4 nodes");
    await nodes.getByLabel("Filter").fill("no such machine");
    await reads(nodes, "No node fits.");
    await nodes.getByRole("button", { name: "Show all nodes" }).click();
    await shows(page, "attic", "cellar", "node-9", "node-10");

    await nodes.getByRole("combobox", { name: /^Status/ }).selectOption({ label: "may not serve" });
    await shows(page, "cellar");
    expect(await textOf(rowOf(page, "cellar"))).toContain("Not ready its Ollama does not answer");
    await nodes.getByRole("combobox", { name: /^Status/ }).selectOption({ label: "all" });

    const heading = nodes.getByRole("columnheader", { name: "CPU" });
    await heading.getByRole("button").click();
    await shows(page, "node-10", "cellar", "node-9", "attic");
    expect(await heading.getAttribute("aria-sort")).toBe("descending");
    await heading.getByRole("button").click();
    await shows(page, "node-9", "cellar", "node-10", "attic");
    expect(await heading.getAttribute("aria-sort")).toBe("ascending");

    await nodes.getByLabel("Group by status").check();
    await reads(nodes.locator("tr.group").first(), "Not ready 1");
    await shows(page, "cellar", "node-9", "node-10", "attic");
    await crowd.beat({ node_id: "cellar", load: { cpu: 0.5, memory: 0.9 } });
    await reads(nodes.locator("tr.group"), "Online 4");
  });

  test("draws the last hour: charts are painted, and say their figures in words", async () => {
    const clock = fakeClock();
    await using crowd = startCrowd({ clock });
    await crowd.beat({ node_id: "a" });
    // The hub has something to tell before the page is opened, and goes on.
    for (let step = 0; step < 3; step++) {
      for (let request = 0; request <= step; request++) await job(crowd.hub.url, `${step}/${request}`);
      await clock.advance(10_000);
      await crowd.beat({ node_id: "a" });
    }
    await using view = await browser.open(crowd.hub.url);
    const { page } = view;
    const chart = (title: string) => page.locator("#charts .chart", { hasText: title });
    await reads(chart("Requests in 10 s"), /Requests: now 3, average [\d.]+, highest 3/);
    await reads(chart("Tokens per second"), /Tokens: now [\d.]+\/s/);
    await eventually(async () => expect(await inkOf(page, "#charts .chart canvas")).toBeGreaterThan(200));

    for (let request = 0; request < 5; request++) await job(crowd.hub.url, `later/${request}`);
    await clock.advance(10_000);
    await reads(chart("Requests in 10 s"), /Requests: now 5, average [\d.]+, highest 5/);
    await reads(tile(page, "Requests, last minute"), "11 no errors");

    await page.locator("#charts select").selectOption("a");
    await reads(chart("Requests in 10 s"), /Requests: now 5/);
    expect(await page.locator("#charts .chart").count()).toBe(4);
    await page.locator("#nodes").getByRole("button", { name: "a", exact: true }).click();
    await reads(page.locator("#nodes tr.details .chart"), /Requests: now 5/);
  });

  test("what runs and what waits is seen while it does", async () => {
    await using crowd = startCrowd();
    const release = Promise.withResolvers<void>();
    crowd.answer = () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(new TextEncoder().encode('{"response":"so ","done":false}\n'));
            await release.promise;
            controller.enqueue(new TextEncoder().encode('{"response":"","done":true}\n'));
            controller.close();
          },
        }),
      );
    await crowd.beat({ node_id: "a", slots: 1 });
    await using view = await browser.open(crowd.hub.url);
    const { page } = view;
    await reads(page.locator("#running"), "Nothing is running");
    const both = [job(crowd.hub.url, "first"), job(crowd.hub.url, "second")];
    const rows = page.locator("#running tbody tr");
    await eventually(async () => expect(await rows.count()).toBe(2));
    const text = await reads(page.locator("#running"), "1 waiting for a free slot");
    expect(text).toContain("1 for llama3");
    expect(text).toMatch(/llama3 a IPv[46] 127\.0\.0\.1 \/jobs \d+ s/);
    await reads(tile(page, "Waiting"), "Waiting 1 the first for");
    await reads(tile(page, "Active jobs"), "1 of 1 slot 100 % in use");
    release.resolve();
    await Promise.all(both);
    await reads(page.locator("#running"), "Nothing is running");
    await reads(tile(page, "Waiting"), "0 nobody");
  });
});

/** A job that is read to its end. */
async function job(hub: string, prompt: string): Promise<string> {
  const body = JSON.stringify({ model: "llama3", prompt });
  const headers = { "content-type": "application/json" };
  return (await fetch(`${hub}/jobs`, { method: "POST", headers, body })).text();
}

/** Pixels that are painted on the first canvas at `selector`. */
function inkOf(page: Page, selector: string): Promise<number> {
  return page.evaluate(`(() => {
    const canvas = document.querySelector(${JSON.stringify(selector)});
    if (!canvas) return 0;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let painted = 0;
    for (let at = 3; at < data.length; at += 4) if (data[at] > 0) painted++;
    return painted;
  })()`);
}
