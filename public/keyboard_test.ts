/** The pages by keyboard alone, and in the theme somebody chose. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, noBrowser, openBrowser, reads, type TestBrowser, textOf } from "../shared/testing/browser.ts";
import type { Crowd } from "./testing/crowd.ts";
import { openEverything, openScene, PAGES, type PageName, troubledCrowd } from "./testing/scenes.ts";

setDefaultTimeout(90_000);

const NAMES = Object.keys(PAGES) as PageName[];

describe.skipIf(noBrowser !== null)("by keyboard alone", () => {
  let browser: TestBrowser;
  let crowd: Crowd;
  beforeAll(async () => {
    browser = await openBrowser();
    crowd = await troubledCrowd();
  });
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await crowd[Symbol.asyncDispose]();
  });
  afterEach(() => browser.verify());

  test.each(NAMES)("Tab reaches everything that can be used, and each has a visible focus: %s", async (name) => {
    await using view = await openScene(browser, crowd, name, 1280);
    const { page } = view;
    await openEverything(page, name);
    const all = await page.evaluate<number>(MARK_ALL);
    expect(all).toBeGreaterThan(8);
    await page.locator(".skip").focus();
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.className")).toBe("skip");
    const invisible: string[] = [];
    // Twice as often as there are stops: what keeps the focus to itself would be noticed.
    for (let stop = 0; stop < all * 2; stop++) {
      const fault = await page.evaluate<string | null>(VISIT);
      if (fault === "back at the start") break;
      if (fault !== null) invisible.push(fault);
      await page.keyboard.press("Tab");
    }
    expect(invisible).toEqual([]);
    expect(
      await page.evaluate("[...wanted].filter((one) => !visited.has(one)).map(({ outerHTML }) => outerHTML)"),
    ).toEqual([]);
  });

  test("the fleet page does all it can", async () => {
    await using view = await openScene(browser, crowd, "fleet", 1280);
    const { page } = view;
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).toBe("main");
    await tabTo(page, ".sorts", "CPU");
    await page.keyboard.press("Space");
    await eventually(async () =>
      expect(await page.getByRole("columnheader", { name: "CPU" }).getAttribute("aria-sort")).toBe("descending"),
    );
    expect(await focusedText(page)).toContain("CPU");
    await tabTo(page, ".opens", "attic");
    await page.keyboard.press("Enter");
    await reads(page.locator("#nodes tr.details"), "The last hour of attic");
    await crowd.beat({ node_id: "attic", load: { cpu: 0.66, memory: 0.5 } });
    await reads(page.locator("#nodes tr.node", { hasText: "attic" }), "66 %");
    expect(await focusedText(page)).toContain("attic");
    await page.keyboard.press("Space");
    await eventually(async () => expect(await page.locator("#nodes tr.details").count()).toBe(0));

    await tabTo(page, "#try-prompt", "");
    await page.keyboard.type("Hello");
    await page.keyboard.press("Control+Enter");
    await reads(page.locator("#try-status"), "answered");
    await tabTo(page, "[role=tab]", "curl");
    await page.keyboard.press("ArrowRight");
    await reads(page.locator("#use-it [aria-selected=true]"), "ollama");
    expect(await focusedText(page)).toBe("ollama");
    await tabTo(page, ".copy", "Copy");
    await page.keyboard.press("Enter");
    await reads(page.locator("#use-it .copy"), "Copied");
  });

  test("the log does all it can", async () => {
    await using view = await openScene(browser, crowd, "log", 1280);
    const { page } = view;
    await page.locator("#requests .opener").first().waitFor();
    await tabTo(page, ".search", "");
    await page.keyboard.type("no-such-model");
    await eventually(async () => expect(await page.locator("tr.request").count()).toBe(1));
    await tabTo(page, ".opener", "");
    await page.keyboard.press("Enter");
    await reads(page.locator("tr.whole"), "Why this node");
    expect(await page.evaluate("document.activeElement.className")).toBe("opener");
    await tabTo(page, "button", "Pause");
    await page.keyboard.press("Space");
    await reads(page.locator("#actions"), "Resume");
  });
});

describe.skipIf(noBrowser !== null)("the theme", () => {
  let browser: TestBrowser;
  let crowd: Crowd;
  beforeAll(async () => {
    browser = await openBrowser();
    crowd = await troubledCrowd();
  });
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await crowd[Symbol.asyncDispose]();
  });
  afterEach(() => browser.verify());

  test.each(NAMES)("is the system's until somebody chooses one, which every page remembers: %s", async (name) => {
    await using view = await openScene(browser, crowd, name, 1280);
    const { page } = view;
    const theme = page.getByLabel("Theme");
    const [light, dark] = ["rgb(246, 248, 250)", "rgb(13, 17, 23)"];
    const ground = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
    expect([await theme.inputValue(), await ground()]).toEqual(["system", light]);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await ground()).toBe(dark);
    await theme.selectOption("light");
    expect(await ground()).toBe(light);
    await page.reload();
    expect([await theme.inputValue(), await ground()]).toEqual(["light", light]);
    await page.goto(`${crowd.hub.url}/static/logs.html`);
    expect([await theme.inputValue(), await ground()]).toEqual(["light", light]);
    await theme.selectOption("dark");
    await page.emulateMedia({ colorScheme: "light" });
    expect(await ground()).toBe(dark);
    await theme.selectOption("system");
    expect(await ground()).toBe(light);
  });
});

/** Presses Tab until the focus is on something that matches, with these words in it. */
async function tabTo(page: Page, selector: string, words: string): Promise<void> {
  for (let press = 0; press < 200; press++) {
    await page.keyboard.press("Tab");
    const here = await page.evaluate(
      `document.activeElement.matches(${JSON.stringify(selector)}) && document.activeElement.textContent.includes(${JSON.stringify(words)})`,
    );
    if (here) return;
  }
  throw new Error(`Tab does not come to ${selector} with ${words}; it is at ${await textOf(page.locator(":focus"))}`);
}

const focusedText = (page: Page): Promise<string> => page.evaluate("document.activeElement.textContent.trim()");

/** Remembers everything that can be used with a pointer; returns how many. */
const MARK_ALL = `(() => {
  window.visited = new Set();
  window.wanted = new Set(Array.from(document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']"))
    .filter((one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility({ visibilityProperty: true })));
  return wanted.size;
})()`;

/** Looks at what has the focus now: null when all is well with it. */
const VISIT = `(() => {
  const one = document.activeElement;
  if (one === document.body || (visited.has(one) && one.className === "skip")) return "back at the start";
  visited.add(one);
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const { top, bottom, width, height } = one.getBoundingClientRect();
  const isSeen = width > 0 && height > 0 && bottom > 0 && top < innerHeight;
  const isMarked = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  return isSeen && isMarked ? null : JSON.stringify({ isSeen, isMarked }) + one.outerHTML.slice(0, 200);
})()`;
