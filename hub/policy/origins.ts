/** Which web pages may use the hub from a browser: Ollama's rules for `Origin`. */

/** Entries of `OLLAMA_ORIGINS`, in lower case: an origin, one with a `*` in it, or `*` alone for any. */
export type AllowedOrigins = readonly string[];

const LOCAL_HOSTS = ["localhost", "127.0.0.1", "0.0.0.0"];

/** Allowed whatever `OLLAMA_ORIGINS` says: pages of this machine, and programs that are pages in a window. */
const ALWAYS_ALLOWED: AllowedOrigins = [
  ...LOCAL_HOSTS.flatMap((host) => [`http://${host}`, `https://${host}`, `http://${host}:*`, `https://${host}:*`]),
  "app://*",
  "file://*",
  "tauri://*",
  "vscode-webview://*",
  "vscode-file://*",
];

const ANY = "*";
const EXACT_ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/\s]*$/;

/** Reads the comma list of `OLLAMA_ORIGINS`. Throws an Error that names the bad entry and what would be right. */
export function parseOrigins(text: string): AllowedOrigins {
  // Ollama strips quotes around the whole value; they stay there in env files of some systems.
  const list = text.replace(/^["'\s]+|["'\s]+$/g, "").split(",");
  // A browser never sends a slash at the end, and people copy it from the address bar.
  const entries = list
    .map((entry) =>
      entry
        .trim()
        .toLowerCase()
        .replace(/(?<=[^:/])\/+$/, ""),
    )
    .filter((entry) => entry !== "");
  for (const entry of entries) {
    // Ollama does not start with such an entry either: gin-contrib/cors panics.
    if (entry.split("*").length > 2) throw new Error(`has the entry "${entry}" with more than one *`);
    if (!entry.includes("*") && !EXACT_ORIGIN.test(entry)) {
      throw new Error(
        `has the entry "${entry}", which is no origin such as http://example.com, http://10.0.0.5:* or *`,
      );
    }
  }
  return entries;
}

/** True for a page that came from the hub itself, as far as its `Host` header tells. */
export function isSameOrigin(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}

/** True when every page on the web may use the hub. */
export function allowsAny(allowed: AllowedOrigins): boolean {
  return allowed.includes(ANY);
}

/** True when a page of `origin` may use the hub it reaches as `host`; `allowed` comes on top of Ollama's own list. */
export function mayUse(origin: string, host: string, allowed: AllowedOrigins): boolean {
  if (isSameOrigin(origin, host) || allowsAny(allowed)) return true;
  const compared = origin.toLowerCase();
  return [...ALWAYS_ALLOWED, ...allowed].some((entry) => matches(compared, entry));
}

/** What a browser says of where a request comes from; all of it "" or false for other programs. */
export interface BrowserWords {
  readonly origin: string;
  /** `Sec-Fetch-Site`, which browsers send to https and to this machine only. */
  readonly fetchSite: string;
  /** Somebody followed a link, and the answer will be a page of its own: who linked it reads nothing. */
  readonly navigates: boolean;
}

/** True for a request that a page which may not use the hub makes its visitor's browser send. */
export function isCrossSite({ origin, fetchSite, navigates }: BrowserWords, host: string, allowed: AllowedOrigins) {
  if (origin !== "") return !mayUse(origin, host, allowed);
  return fetchSite === "cross-site" && !navigates;
}

/**
 * True for a request that the browser sent for any page but the hub's own, whatever pages may use the hub: cookies know
 * no ports, so that a page of another server on the hub's machine brings the hub's login along.
 */
export function isForeign({ origin, fetchSite, navigates }: BrowserWords, host: string): boolean {
  // The browser's own word, which no page can change. It is right behind a proxy that changes `Host` as well.
  if (fetchSite === "same-origin" || navigates) return false;
  if (origin !== "") return !isSameOrigin(origin, host);
  return fetchSite !== "" && fetchSite !== "none";
}

/** `*` stands for anything, nothing included. gin-contrib/cors lets both halves overlap; no real origin needs that. */
function matches(origin: string, entry: string): boolean {
  const star = entry.indexOf("*");
  if (star < 0) return origin === entry;
  const [start, end] = [entry.slice(0, star), entry.slice(star + 1)];
  return origin.length >= start.length + end.length && origin.startsWith(start) && origin.endsWith(end);
}
