/** What a page can have in front of it: nothing, a fleet where all is well, and one where much is not. */
import type { Page } from "playwright-core";
import { reads, type TestBrowser } from "../../shared/testing/browser.ts";
import { type Crowd, modelsOf, startCrowd } from "./crowd.ts";
import { openerOf } from "./fleet_page.ts";

export const PAGES = {
  fleet: "/",
  log: "/static/logs.html",
  explain: "/static/explain.html?model=llama3",
} as const;
export type PageName = keyof typeof PAGES;

/** Three nodes: one of them well, one whose Ollama is away, one with another model under the same name. And requests. */
export async function troubledCrowd(): Promise<Crowd> {
  const crowd = startCrowd({ environment: { NODE_MAX_FAILURES: "1" } });
  crowd.dead.add("[2001:db8::1]");
  await crowd.beat({ node_id: "attic" });
  await crowd.beat({ node_id: "cellar", ollama: { ok: false } });
  await crowd.beat({ node_id: "gaming-pc", ...modelsOf(["llama3:latest", "phi4:14b"], [], "b".repeat(64)), slots: 2 });
  await ask(crowd, "llama3");
  await ask(crowd, "no-such-model");
  await ask(crowd, "phi4:14b");
  return crowd;
}

/** Three nodes that may all serve, and a request that went well. */
export async function soundCrowd(): Promise<Crowd> {
  const crowd = startCrowd();
  for (const node_id of ["attic", "cellar", "gaming-pc"]) await crowd.beat({ node_id });
  await ask(crowd, "llama3");
  return crowd;
}

/** A job, read to its end. */
async function ask({ hub }: Crowd, model: string): Promise<void> {
  const body = JSON.stringify({ model, prompt: "Why is the sky blue?" });
  const headers = { "content-type": "application/json" };
  await (await fetch(`${hub.url}/jobs`, { method: "POST", headers, body })).text();
}

/** Opens a page; resolves when it shows what the hub told. */
export async function openScene(browser: TestBrowser, crowd: Crowd, name: PageName, width: number) {
  const view = await browser.open(crowd.hub.url + PAGES[name], { width });
  await reads(view.page.locator("#connection"), "Live");
  const settled = {
    fleet: "#totals .tile small",
    log: "#empty .copyable, #requests tr.request",
    explain: "#answer .summary",
  }[name];
  await view.page.locator(settled).first().waitFor();
  return view;
}

/** Opens everything that can be opened. */
export async function openEverything(page: Page, name: PageName): Promise<void> {
  if (name === "fleet") {
    for (const id of ["attic", "gaming-pc"]) await openerOf(page, id).click();
    await page.locator("#happenings summary").click();
    await reads(page.locator("#nodes tr.details .chart").first(), /./);
  } else if (name === "log") {
    await page.locator("#requests .opener").first().waitFor();
    for (const opener of await page.locator("#requests .opener").all()) await opener.click();
    await reads(page.locator("#requests tr.whole").last(), "Request");
    for (const summary of await page.locator("#requests summary").all()) await summary.click();
  } else await page.getByText("The whole request body").click();
}
