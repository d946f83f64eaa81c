/** The dashboard's files, served compressed and with headers that let a page load nothing else. */
import { type Context, Hono } from "hono";
import { FILES } from "../../public/embedded.js";
import type { HubEnv } from "./body.ts";

/** Names of nodes and models come from other machines: a page runs our own scripts and nothing else. */
const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
};

const FILE_HEADERS = {
  "x-content-type-options": "nosniff",
  // A new hub's pages have to fit its routes: the browser asks each time, and is mostly told that nothing changed.
  "cache-control": "no-cache",
  vary: "accept-encoding",
};

/** The routes. */
export const dashboard = new Hono<HubEnv>();

/** What Ollama says at this place; its clients ask for it before anything else. */
const OLLAMA_IS_RUNNING = "Ollama is running";

// A browser asks for HTML by name; curl and Ollama's clients take anything.
dashboard.get("/", (context, next) => {
  if (context.req.header("accept")?.includes("text/html")) return next();
  const length = String(OLLAMA_IS_RUNNING.length);
  return context.body(OLLAMA_IS_RUNNING, 200, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": length,
  });
});

for (const [path, type, from] of FILES) dashboard.get(path, file(type, from, smallerBy(path)));
// Browsers ask for this one whatever a page says.
dashboard.get("/favicon.ico", (context) => context.redirect("/static/icon.svg", 301));

/** What makes a file of ours smaller, and leaves it the same to a browser. Libraries come minified. */
function smallerBy(path: string): (text: string) => string {
  if (path.startsWith("/static/lit/") || path.startsWith("/static/uplot.")) return (text) => text;
  if (path.endsWith(".js")) return minified;
  if (path.endsWith(".css")) return (text) => text.replace(/\/\*.*?\*\//gs, "").replace(/\n\s+/g, "\n");
  return (text) => text;
}

/** A third of our scripts is comments and long names, which a phone need not load. Bun's types do not list `minify`. */
function minified(text: string): string {
  return new Bun.Transpiler({ loader: "js", minify: true } as Bun.TranspilerOptions).transformSync(text);
}

interface Loaded {
  readonly text: string;
  readonly etag: string;
  packed: Uint8Array<ArrayBuffer> | null;
}

/** A handler that serves the file at `from`, read and compressed once, when somebody asks for it first: most hubs never do. */
function file(
  type: string,
  from: string,
  smaller: (text: string) => string,
): (context: Context<HubEnv>) => Promise<Response> {
  let loaded: Loaded | null = null;
  return async (context) => {
    loaded ??= await load(from);
    const { text, etag } = loaded;
    const headers = {
      ...(type.startsWith("text/html") ? PAGE_HEADERS : {}),
      ...FILE_HEADERS,
      "content-type": type,
      etag,
    };
    if (context.req.header("if-none-match")?.includes(etag)) return context.body(null, 304, headers);
    if (!context.req.header("accept-encoding")?.includes("gzip")) return context.body(text, 200, headers);
    loaded.packed ??= Bun.gzipSync(smaller(text), { level: 9 });
    return context.body(loaded.packed, 200, { ...headers, "content-encoding": "gzip" });
  };
}

async function load(from: string): Promise<Loaded> {
  const text = await Bun.file(from).text();
  return { text, etag: `"${Bun.hash(text).toString(36)}"`, packed: null };
}
