/** Many at once: 500 nodes with ten models each on the fleet page, 1000 rows in the log, and what an update of them costs. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, noBrowser, openBrowser, reads, type TestBrowser } from "../shared/testing/browser.ts";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { modelsOf, startCrowd } from "./testing/crowd.ts";
import { namesInTable, tile } from "./testing/fleet_page.ts";
import { median, unitOfWork, watchMainThread } from "./testing/main_thread.ts";

setDefaultTimeout(90_000);

const NODES = 500;
/** What one update may cost, 50 ms on a machine whose unit of work is 20 ms; twice that, as machines are not alike. */
const MOST_UNITS = 5;
/** What is between opening a page and its first paint, in units of work; a second on such a machine is 50 of them. */
const MOST_UNITS_TO_PAINT = 50;

describe.skipIf(noBrowser !== null)("many at once", () => {
  let browser: TestBrowser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser[Symbol.asyncDispose]());
  afterEach(() => browser.verify());

  test("500 nodes with ten models each are there at once, can be searched, and an update costs little", async () => {
    const clock = fakeClock();
    await using crowd = startCrowd({ clock });
    const beats = Array.from({ length: NODES }, (_, index) => ({
      node_id: `node-${index}`,
      load: { cpu: (index % 97) / 97, memory: 0.5 },
      ...modelsOf(
        Array.from({ length: 10 }, (_, model) => `model-${(index + model) % 40}:7b`),
        [`model-${index % 40}:7b`],
      ),
    }));
    for (const beat of beats) await crowd.beat(beat);
    await clock.advance(2000);

    await using view = await browser.open(crowd.hub.url);
    const { page } = view;
    await reads(tile(page, "Nodes online"), "500 of 500 all may serve");
    expect(await namesInTable(page)).toHaveLength(50);
    const opened = await page.evaluate<{ paint: number; loaded: number }>(`({
      paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
      loaded: performance.getEntriesByType("navigation")[0].loadEventEnd,
    })`);
    const thread = await watchMainThread(page);
    const unit = await unitOfWork(page, thread);

    const update = async (index: number) => {
      const cpu = (index + 1) / 100;
      const drawn = await cellThatReads(page, index, `${index + 1} %`);
      return thread.cost(async () => {
        await crowd.beat({ ...(beats[index] ?? { node_id: "" }), load: { cpu, memory: 0.5 } });
        await clock.advance(1000);
        await drawn();
      });
    };
    const few: number[] = [];
    for (let index = 0; index < 8; index++) few.push(await update(index));

    const all = page.locator("#nodes").getByRole("button", { name: `Show all ${NODES}` });
    const toAll = await thread.cost(async () => {
      await all.click();
      await eventually(async () => expect(await page.locator("#nodes tr.node").count()).toBe(NODES));
    });
    const many: number[] = [];
    for (let index = 10; index < 18; index++) many.push(await update(index));

    await page.locator("#nodes").getByLabel("Filter").fill("node-499");
    await eventually(async () => expect(await namesInTable(page)).toEqual(["node-499"]));
    await page.locator("#nodes").getByLabel("Filter").fill("");
    await page.locator("#nodes").getByLabel("Group by status").check();
    await reads(page.locator("#nodes tr.group"), "Online 500");

    figures("500 nodes", {
      "unit of work": unit,
      "first paint (by the clock)": opened.paint,
      "all 500 rows": toAll,
      "an update with 50 rows": median(few),
      "an update with 500 rows": median(many),
    });
    expect(median(few) / unit).toBeLessThan(MOST_UNITS);
    expect(median(many) / unit).toBeLessThan(MOST_UNITS);
    expect(opened.paint / unit).toBeLessThan(MOST_UNITS_TO_PAINT);
  });

  test("1000 requests stand in the log, and a batch that arrives costs little", async () => {
    await using crowd = startCrowd();
    await crowd.beat({ node_id: "a", slots: 1000 });
    const send = async (count: number) => {
      for (let sent = 0; sent < count; sent += 20) {
        await Promise.all(
          Array.from({ length: Math.min(20, count - sent) }, (_, index) => job(crowd.hub.url, sent + index)),
        );
      }
    };
    await send(1000);
    await using view = await browser.open(`${crowd.hub.url}/static/logs.html`);
    const { page } = view;
    const rows = page.locator("#requests tr.request");
    await eventually(async () => expect(await rows.count()).toBe(1000));
    const thread = await watchMainThread(page);
    const unit = await unitOfWork(page, thread);
    const batches: number[] = [];
    for (let batch = 0; batch < 6; batch++) {
      const drawn = await newestRowIsThe(page, 21);
      batches.push(
        await thread.cost(async () => {
          await send(20);
          await drawn();
        }),
      );
    }
    expect(await rows.count()).toBe(1000);
    const scrolled = await thread.cost(async () => {
      await page.mouse.move(640, 450);
      for (let turn = 0; turn < 20; turn++) await page.mouse.wheel(0, 1200);
    });
    const searched = await thread.cost(async () => {
      await page.getByRole("searchbox").fill("no such thing");
      await reads(page.locator("#empty"), "None of the 1,000 requests matches.");
    });
    figures("1000 requests", {
      "unit of work": unit,
      "a batch of 20": median(batches),
      "scrolling by 20 screens": scrolled,
      "a search": searched,
    });
    expect(median(batches) / unit).toBeLessThan(2 * MOST_UNITS);
    expect(searched / unit).toBeLessThan(2 * MOST_UNITS);
  });
});

/**
 * Watches the CPU of the node with this number; the returned function resolves when it reads `text`. A test that asks again
 * and again would itself be most of what the main thread does.
 */
async function cellThatReads(page: Page, index: number, text: string): Promise<() => Promise<unknown>> {
  await page.evaluate(`{
    const row = Array.from(document.querySelectorAll("#nodes tr.node"))
      .find((row) => row.querySelector(".name").textContent === "node-${index}");
    window.drawn = new Promise((done) => {
      new MutationObserver((_, observer) => {
        if (!row.cells[5].textContent.includes("${text}")) return;
        observer.disconnect();
        done();
      }).observe(row, { subtree: true, childList: true, characterData: true });
    });
    "watching";
  }`);
  return () => page.evaluate("window.drawn");
}

async function job(hub: string, number: number): Promise<void> {
  const body = JSON.stringify({ model: "llama3", prompt: `prompt ${number}` });
  const headers = { "content-type": "application/json" };
  await (await fetch(`${hub}/jobs`, { method: "POST", headers, body })).text();
}

/** Watches the log; the returned function resolves when the row that is newest now has come to this place. */
async function newestRowIsThe(page: Page, place: number): Promise<() => Promise<unknown>> {
  await page.evaluate(`{
    const rows = document.querySelector("#requests");
    const newest = rows.querySelector("tr.request").record;
    window.drawn = new Promise((done) => {
      new MutationObserver((_, observer) => {
        if (rows.querySelectorAll("tr.request")[${place - 1}].record !== newest) return;
        observer.disconnect();
        done();
      }).observe(rows, { childList: true });
    });
    "watching";
  }`);
  return () => page.evaluate("window.drawn");
}

/** Milliseconds as they are, for whoever wants to see them grow. */
function figures(title: string, values: Record<string, number>): void {
  console.log(
    `${title}: ${Object.entries(values)
      .map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`)
      .join(", ")}`,
  );
}
