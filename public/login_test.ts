/** The login: it leads to the page that was asked for, and to nobody else's. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { noBrowser, openBrowser, type TestBrowser } from "../shared/testing/browser.ts";
import { startFleet } from "../shared/testing/start_fleet.ts";
import { startTestHub, type TestHub } from "../shared/testing/start_hub.ts";

const KEY = "a-secret-of-the-admin";
const VIEWER = "a-secret-of-a-viewer";
const KEYS = { API_KEYS: `admin:${KEY},viewer:${VIEWER}` };

describe.skipIf(noBrowser !== null)("the login", () => {
  let browser: TestBrowser;
  let hub: TestHub;
  beforeAll(async () => {
    browser = await openBrowser();
    hub = startTestHub({ environment: KEYS });
  });
  afterEach(() => browser.verify());
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await hub.stop();
  });

  test.each([
    ["/static/logs.html?model=llama3", "/static/logs.html?model=llama3"],
    ["/", "/"],
    ["/static/login.html?to=https%3A%2F%2Fevil.example%2F", "/"],
    ["/static/login.html?to=%2F%2Fevil.example", "/"],
    ["/static/login.html?to=%2F%5Cevil.example", "/"],
    ["/static/login.html?to=%2F%09%2Fevil.example", "/"],
    ["/static/login.html?to=javascript%3Aalert(1)", "/"],
    ["/static/login.html?to=%2Fstatic%2Fexplain.html", "/static/explain.html"],
  ])("asked for as %s, it leads to %s", async (asked, there) => {
    await using opened = await browser.open(hub.url + asked, { expected: /401/ });
    await opened.page.getByLabel("Key").fill(KEY);
    await opened.page.getByRole("button", { name: "Log in" }).click();
    await opened.page.waitForURL(hub.url + there);
    expect(new URL(opened.page.url()).origin).toBe(hub.url);
  });

  test.each([
    [KEY, "false", "Ctrl+Enter sends"],
    [VIEWER, "true", "A viewer's key may look, not ask"],
  ])("with the key %s, whether a prompt can be sent is told before", async (key, disabled, words) => {
    await using fleet = await startFleet({ nodes: ["a"], hub: { environment: KEYS, key: KEY } });
    await using opened = await browser.open(`${fleet.hub.url}/static/login.html`, { expected: /401/ });
    await opened.page.getByLabel("Key").fill(key);
    await opened.page.getByRole("button", { name: "Log in" }).click();
    await opened.page.getByText(words).waitFor();
    await opened.page.locator(`button[type=submit][aria-disabled=${disabled}]`, { hasText: "Send" }).waitFor();
  });
});
