/** A real Chromium without a window, for tests of web pages: what a page did wrong fails the test that opened it. */
import { existsSync } from "node:fs";
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from "playwright-core";
import { eventuallyWithin } from "./eventually.ts";

/** Debian's Chromium, unless CHROMIUM in the environment names another. */
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Milliseconds a page may take for what a test waits for; machines that run tests are busy. */
const PATIENCE_MS = 20_000;
const LOOK_MS = 30;

/** Why no page can be opened on this machine; null where it can. */
export const noBrowser: string | null = existsSync(CHROMIUM)
  ? null
  : `there is no Chromium at ${CHROMIUM} (apt-get install chromium, or set CHROMIUM)`;
if (noBrowser !== null) console.warn(`Tests in a browser are skipped: ${noBrowser}`);

export type Theme = "light" | "dark";

export interface OpenOptions {
  /** CSS pixels; 1280 unless told otherwise, 900 high. */
  readonly width?: number;
  readonly height?: number;
  /** What the system prefers; "light" unless told otherwise. */
  readonly system?: Theme;
  /** Whether the page may use the clipboard without asking: true unless told otherwise. */
  readonly clipboard?: boolean;
  /** Faults that belong to the test, such as those of a hub that was stopped. */
  readonly expected?: RegExp;
  /** Called before the page loads anything. */
  readonly before?: (page: Page) => Promise<unknown>;
}

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors in the console, exceptions, reports of the content security policy, failed requests, dialogs. */
  readonly faults: readonly string[];
  /** Path and query of each request so far, with when it was sent, by performance.now(). */
  readonly requests: readonly { readonly path: string; readonly at: number }[];
}

export interface TestBrowser extends AsyncDisposable {
  readonly version: string;
  /** Opens `url` in a profile of its own; disposing of it closes it. */
  open(url: string, options?: OpenOptions): Promise<OpenPage>;
  /**
   * Throws if a page that was closed since the last call did anything wrong. For `afterEach`: an error on disposal would
   * hide why the test itself failed.
   */
  verify(): void;
}

/** Runs in every page before its own scripts. What a policy forbids has to be seen by the test. */
const WATCH = `
  window.__pwned = 0;
  addEventListener("securitypolicyviolation", (event) =>
    console.error("policy: " + event.violatedDirective + " " + event.blockedURI + " " + event.sample));
`;

/** Starts the browser. Names in `hosts` lead to this machine. */
export async function openBrowser({ hosts = [] }: { hosts?: readonly string[] } = {}): Promise<TestBrowser> {
  const rules = hosts.map((host) => `MAP ${host} 127.0.0.1`).join(",");
  const launch = (): Promise<Browser> =>
    chromium.launch({
      executablePath: CHROMIUM,
      // Its sandbox needs rights that a container's root does not have.
      args: ["--no-sandbox", ...(rules === "" ? [] : [`--host-resolver-rules=${rules}`])],
      timeout: PATIENCE_MS,
    });
  let browser = await launch();
  let unexpected: string[] = [];
  return {
    version: browser.version(),
    async open(url, options = {}) {
      // One that crashed fails the test it crashed in, not all that follow.
      if (!browser.isConnected()) browser = await launch();
      const view = await open(browser, url, options);
      return {
        ...view,
        async [Symbol.asyncDispose]() {
          await view[Symbol.asyncDispose]();
          unexpected.push(...view.faults.filter((fault) => options.expected?.test(fault) !== true));
        },
      };
    },
    verify() {
      const faults = unexpected;
      unexpected = [];
      if (faults.length > 0) throw new Error(`The page did wrong:\n${faults.join("\n")}`);
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

async function open(browser: Browser, url: string, options: OpenOptions): Promise<OpenPage> {
  const { width = 1280, height = 900, system = "light", clipboard = true } = options;
  const context: BrowserContext = await browser.newContext({
    viewport: { width, height },
    colorScheme: system,
    locale: "en-GB",
    permissions: clipboard ? ["clipboard-read", "clipboard-write"] : [],
  });
  context.setDefaultTimeout(PATIENCE_MS);
  await context.addInitScript(WATCH);
  const page = await context.newPage();
  const faults: string[] = [];
  const requests: { path: string; at: number }[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error.stack ?? error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    requests.push({ path: pathname + search, at: performance.now() });
  });
  page.on("requestfailed", (request) => {
    const why = request.failure()?.errorText ?? "";
    // What the page itself gave up, such as the events of a page that is left.
    if (why !== "net::ERR_ABORTED") faults.push(`request: ${request.url()} ${why}`);
  });
  await options.before?.(page);
  await page.goto(url);
  return {
    page,
    faults,
    requests,
    [Symbol.asyncDispose]: () => context.close(),
  };
}

/** What somebody can read at `place`, with single spaces. */
export async function textOf(place: Locator): Promise<string> {
  return (await place.innerText()).replace(/\s+/g, " ").trim();
}

/** Resolves with what stands at `place` once it matches `wanted`; rejects after 20 s with what stood there instead. */
export async function reads(place: Locator, wanted: string | RegExp): Promise<string> {
  return eventually(async () => {
    const text = await textOf(place.first());
    if (typeof wanted === "string" ? text.includes(wanted) : wanted.test(text)) return text;
    throw new Error(`expected ${wanted} at ${place}, found: ${text.slice(0, 2000)}`);
  });
}

/** Calls `look` until it no longer throws. Rejects with its last error after 20 s. */
export const eventually = eventuallyWithin(PATIENCE_MS, LOOK_MS);
