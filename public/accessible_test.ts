/** Whether everybody can use the pages: axe-core finds nothing in either theme, nothing needs more than 360 px. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { noBrowser, openBrowser, type TestBrowser } from "../shared/testing/browser.ts";
import { type Crowd, startCrowd } from "./testing/crowd.ts";
import { openEverything, openScene, PAGES, type PageName, soundCrowd, troubledCrowd } from "./testing/scenes.ts";

setDefaultTimeout(90_000);

const AXE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const NAMES = Object.keys(PAGES) as PageName[];

describe.skipIf(noBrowser !== null)("every page", () => {
  let browser: TestBrowser;
  const crowds: Record<string, Crowd> = {};
  beforeAll(async () => {
    browser = await openBrowser();
    crowds.empty = startCrowd();
    crowds.sound = await soundCrowd();
    crowds.troubled = await troubledCrowd();
  });
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    for (const crowd of Object.values(crowds)) await crowd[Symbol.asyncDispose]();
  });
  afterEach(() => browser.verify());

  const scenes = [
    { kind: "empty", width: 1280 },
    { kind: "sound", width: 1280 },
    { kind: "troubled", width: 1280 },
    { kind: "troubled", width: 360 },
    { kind: "empty", width: 360 },
  ];
  describe.each(scenes)("with a fleet that is $kind, $width px wide", ({ kind, width }) => {
    test.each(NAMES)("can be used by everybody: %s", async (name) => {
      await using view = await openScene(browser, crowds[kind] as Crowd, name, width);
      const { page } = view;
      expect(await widerThanTheWindow(page)).toEqual([]);
      if (kind === "troubled") {
        await openEverything(page, name);
        expect(await widerThanTheWindow(page)).toEqual([]);
      }
      expect(await brokenHeadings(page)).toEqual([]);
      // Not as a script of the page: its policy would not let it run.
      await page.evaluate(AXE);
      expect(await offences(page)).toEqual([]);
    });
  });
});

/** What axe-core finds wrong: everything in the light theme, and colours in the dark one, as no more differs. */
async function offences(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const rules =
      colorScheme === "light" ? "rules: { 'target-size': { enabled: true } }" : "runOnly: ['color-contrast']";
    const violations = await page.evaluate<{ id: string; nodes: { target: string[]; failureSummary: string }[] }[]>(
      `axe.run(document, { ${rules}, preload: false, resultTypes: ["violations"] }).then(({ violations }) => violations)`,
    );
    for (const { id, nodes } of violations) {
      const [first] = nodes;
      found.push(
        `${colorScheme}: ${id}, ${nodes.length} times, first ${first?.target.join(" ")}: ${first?.failureSummary}`,
      );
    }
  }
  return found;
}

/** What makes the page scroll sideways, if it does. */
function widerThanTheWindow(page: Page): Promise<string[]> {
  return page.evaluate(`(() => {
    if (document.scrollingElement.scrollWidth <= innerWidth) return [];
    const wide = Array.from(document.querySelectorAll("body *")).filter((one) =>
      one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, pre, .said"));
    return [document.scrollingElement.scrollWidth + " px", ...wide.slice(0, 5).map(({ outerHTML }) => outerHTML.slice(0, 200))];
  })()`);
}

/** Headings of columns that break inside a word: each word has to stand on one line. */
function brokenHeadings(page: Page): Promise<string[]> {
  return page.evaluate(`Array.from(document.querySelectorAll("thead th")).flatMap((heading) => {
    const texts = document.createTreeWalker(heading, NodeFilter.SHOW_TEXT);
    const broken = [];
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      for (const word of text.data.matchAll(/\\S+/g)) {
        const range = document.createRange();
        range.setStart(text, word.index);
        range.setEnd(text, word.index + word[0].length);
        if (new Set(Array.from(range.getClientRects(), ({ top }) => Math.round(top))).size > 1) broken.push(word[0]);
      }
    }
    return broken;
  })`);
}
