/** What no route answers: wrong methods, trailing slashes, unknown paths, in the words of Ollama's router. */
import type { Context, MiddlewareHandler } from "hono";
import { findOllamaRoute } from "../../shared/ollama_routes.ts";
import type { ListedRoute } from "../policy/roles.ts";
import { hasKeyBefore } from "./credentials.ts";

/** The order of Ollama's `Allow` header, and what it has none of at the end. */
const METHOD_ORDER = ["HEAD", "GET", "POST", "PUT", "PATCH", "DELETE"];

/**
 * Answers what Ollama's router (gin) answers itself: a wrong method on a known path with 405, a slash too many with a
 * redirect. It stands before routing because Hono would answer HEAD wherever there is GET. The hub's own routes are
 * those of `registered` that Ollama does not have; HEAD stays on them, and their 405 says in JSON what is right. What
 * neither knows is left to Hono. `registered` may grow until the first request.
 */
export function strictMethods(registered: readonly ListedRoute[]): MiddlewareHandler {
  let ownMethods: ((path: string) => readonly string[]) | undefined;
  return async (context, next) => {
    ownMethods ??= methodsOf(registered);
    // The path by which Hono routes: other escapes resolved, but not an escaped slash.
    const { method, path } = context.req;
    const ollama = findOllamaRoute(path);
    if (ollama !== null) {
      if (ollama.methods.some((each) => each === method)) return next();
      return plainText(405, "405 method not allowed", { Allow: ollama.methods.join(", ") });
    }
    // Ollama's router takes it for a slash, so that no `:name` matches; Hono's would give it to the route.
    if (/%2f/i.test(path) && findOllamaRoute(path.replace(/%2f/gi, "_")) !== null) return unrouted();

    const own = ownMethods(path);
    if (own.includes(method)) return next();
    if (own.length > 0) return wrongMethod(context, own);
    if (path.endsWith("/")) {
      const trimmed = path.slice(0, -1);
      const methods: readonly string[] = findOllamaRoute(trimmed)?.methods ?? ownMethods(trimmed);
      if (methods.includes(method)) return withoutSlash(context);
    }
    return next();
  };
}

/** The answer to a path nobody knows, for `app.notFound`. */
export function unrouted(): Response {
  return plainText(404, "404 page not found");
}

/** gin writes `text/plain` without a charset; the length is set for HEAD, where there is no body to tell it. */
function plainText(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  const length = String(text.length);
  return new Response(text, {
    status,
    headers: { ...headers, "Content-Type": "text/plain", "Content-Length": length },
  });
}

function wrongMethod(context: Context, allowed: readonly string[]): Response {
  const { method, path } = context.req;
  const named = allowed.filter((each) => each !== "HEAD").join(" and ");
  const detail = `Method Not Allowed: ${path} answers ${named}, not ${method}`;
  return context.json({ detail }, 405, { Allow: allowed.join(", ") });
}

/** gin's redirect to the path without its last slash, with the page that Go's `http.Redirect` writes for GET. */
function withoutSlash(context: Context): Response {
  const [, path = "/", query = ""] = /^[^:]*:\/\/[^/]*([^?#]*)(\?[^#]*)?/.exec(context.req.url) ?? [];
  // Bun has normalised the URL: nothing is left in it that a header cannot carry.
  const trimmed = path.slice(0, -1);
  const isSecret = hasKeyBefore(path);
  const location = (isSecret ? `../${trimmed.slice(trimmed.lastIndexOf("/") + 1)}` : trimmed) + query || "/";
  // The key before the path is in neither, and the redirect, which is kept by its URL, is not to be kept.
  const secrecy: Record<string, string> = isSecret ? { "Cache-Control": "no-store" } : {};
  if (context.req.method !== "GET") {
    return new Response(null, { status: 307, headers: { ...secrecy, Location: location } });
  }
  const page = `<a href="${escapeHtml(location)}">Moved Permanently</a>.\n\n`;
  return new Response(page, {
    status: 301,
    headers: { ...secrecy, Location: location, "Content-Type": "text/html; charset=utf-8" },
  });
}

const HTML_ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (each) => HTML_ESCAPES[each] ?? each);
}

/** Which methods a path has among `registered`, middleware left out: the routes that fit it, taken together. */
function methodsOf(registered: readonly ListedRoute[]): (path: string) => readonly string[] {
  const patterns = registered
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => ({ method, pattern: patternOf(path) }));
  return (path) => {
    const methods = new Set(patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method));
    // Hono answers HEAD by GET.
    if (methods.has("GET")) methods.add("HEAD");
    return [...methods].sort((one, other) => METHOD_ORDER.indexOf(one) - METHOD_ORDER.indexOf(other));
  };
}

/** A path as Hono writes it, `:name` for a segment and `*` at the end for any rest, as a pattern. */
function patternOf(path: string): RegExp {
  const source = path
    .split("/")
    .map((segment) => {
      if (segment === "*") return ".*";
      return segment.startsWith(":") ? "[^/]+" : segment.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    })
    .join("/");
  return new RegExp(`^${source}$`);
}
