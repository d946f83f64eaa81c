/** How pages stay current: live events, asking where these do not come through, a hub that is lost and comes back. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  eventually,
  noBrowser,
  type OpenPage,
  openBrowser,
  reads,
  type TestBrowser,
} from "../shared/testing/browser.ts";
import { startFleet } from "../shared/testing/start_fleet.ts";
import { startTestHub } from "../shared/testing/start_hub.ts";
import { startCrowd } from "./testing/crowd.ts";
import { rowOf, tile } from "./testing/fleet_page.ts";

setDefaultTimeout(90_000);

const PAGES = ["/", "/static/logs.html", "/static/explain.html"];
/** What asking for news looks like. */
const ASKED = /^\/(nodes|queue|logs)\b/;
/** The user's own refresh is 3 s; a timer of a busy machine may be late and the next one in time. */
const REFRESH_MS = 3000;
const JITTER_MS = 500;

describe.skipIf(noBrowser !== null)("the pages", () => {
  let browser: TestBrowser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser[Symbol.asyncDispose]());
  afterEach(() => browser.verify());

  test("a hub that stops is shown as lost, and when it is back so are the pages, by themselves", async () => {
    await using fleet = await startFleet({ nodes: ["a", "b"] });
    const { url, port } = fleet.hub;
    await using stack = new AsyncDisposableStack();
    const views: OpenPage[] = [];
    for (const path of PAGES) {
      views.push(
        stack.use(
          await browser.open(url + path, { expected: /ERR_CONNECTION|ERR_EMPTY|Failed to load|ERR_INCOMPLETE/ }),
        ),
      );
    }
    for (const { page } of views) await reads(page.locator("#connection"), "Live");
    const [first] = views;
    const page = (first as OpenPage).page;
    await reads(tile(page, "Nodes online"), "2 of 2");
    await page.locator("#try-prompt").fill("a half written question");
    await fleet.hub.stop();
    for (const { page } of views)
      await reads(page.locator("#connection"), /^No connection to the hub since \d\d:\d\d:\d\d; trying again$/);
    await reads(page.locator("#totals"), "The hub does not answer. What you see is from before");
    expect(await page.title()).toStartWith("No connection");
    // What was known stays to be read.
    await reads(rowOf(page, "a"), /\S/);

    const hub = startTestHub({ environment: { PORT: String(port) } });
    stack.defer(() => hub.stop());
    for (const { page } of views) await reads(page.locator("#connection"), /^Live$/);
    await reads(tile(page, "Nodes online"), "2 of 2 all may serve");
    await reads(rowOf(page, "b"), "Online");
    await eventually(async () => expect(await page.title()).toBe("Fleet · Ollama Connector"));
    expect(await page.locator("#try-prompt").inputValue()).toBe("a half written question");
    await hub.job({ model: "llama3", prompt: "hello again" }).then((response) => response.text());
    await reads((views[1] as OpenPage).page.locator("#requests"), "/jobs llama3");
  });

  test("where events do not come through pages ask every 3 s and never faster; where they do, not at all", async () => {
    await using crowd = startCrowd();
    await crowd.beat({ node_id: "a" });
    const { url } = crowd.hub;
    await using stack = new AsyncDisposableStack();
    const open = async (path: string, blocked: boolean) =>
      stack.use(
        await browser.open(url + path, {
          expected: blocked ? /ERR_FAILED/ : /(?!)/,
          before: async (page) => {
            if (!blocked) return;
            await page.clock.install();
            await page.route("**/events*", (route) => route.abort());
          },
        }),
      );
    const [asking, live] = [[], []] as [OpenPage[], OpenPage[]];
    for (const path of PAGES) {
      live.push(await open(path, false));
      asking.push(await open(path, true));
    }
    for (const { page } of live) await reads(page.locator("#connection"), "Live");
    for (const { page } of asking) await reads(page.locator("#connection"), "Refreshed every 3 s");
    const atFirst = live.map(({ requests }) => requests.length);
    const fleet = (asking[0] as OpenPage).page;
    await reads(rowOf(fleet, "a"), "Online");
    await crowd.beat({ node_id: "late" });
    await reads(rowOf(fleet, "late"), "Online");
    // Three rounds each.
    for (const { requests } of asking) {
      await eventually(() => expect(roundsOf(requests).length).toBeGreaterThanOrEqual(3));
      const rounds = roundsOf(requests);
      const gaps = rounds.slice(1).map((at, index) => at - (rounds[index] ?? 0));
      expect(gaps.filter((gap) => gap < REFRESH_MS - JITTER_MS)).toEqual([]);
      // What is asked later in a round comes when the machine gets to it.
      const counts = Map.groupBy(requests, ({ path }) => path);
      for (const [path, asked] of counts) if (ASKED.test(path)) expect(asked.length).toBeLessThanOrEqual(rounds.length);
    }
    live.forEach(({ requests }, index) => {
      const since = requests.slice(atFirst[index]).map(({ path }) => path);
      expect(since.filter((path) => ASKED.test(path) && !path.startsWith("/logs?limit=1000"))).toEqual([]);
    });

    // Once events come through again, a page that asks finds them within half a minute and stops asking.
    const again = asking[2] as OpenPage;
    await again.page.unroute("**/events*");
    await again.page.clock.fastForward(30_000);
    await reads(again.page.locator("#connection"), /^Live$/);
  });
});

/** The times of each round of questions: of the first thing that is asked in it. */
function roundsOf(requests: OpenPage["requests"]): number[] {
  const first = requests.find(({ path }) => ASKED.test(path));
  return requests.filter(({ path }) => path === first?.path).map(({ at }) => at);
}
