/** The login: it leads to the page that was asked for, and to nobody else's. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { noBrowser, openBrowser, type TestBrowser } from "../shared/testing/browser.ts";
import { startTestHub, type TestHub } from "../shared/testing/start_hub.ts";

const KEY = "a-secret-of-the-admin";

describe.skipIf(noBrowser !== null)("the login", () => {
  let browser: TestBrowser;
  let hub: TestHub;
  beforeAll(async () => {
    browser = await openBrowser();
    hub = startTestHub({ environment: { API_KEYS: `admin:${KEY}` } });
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
});
