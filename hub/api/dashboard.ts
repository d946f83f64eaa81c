/** The dashboard's files, embedded into the program, with headers that let a page load nothing else. */
import { Hono } from "hono";
import docs from "../../public/docs.html" with { type: "text" };
import index from "../../public/index.html" with { type: "text" };
import docsStyle from "../../public/static/docs.css" with { type: "text" };
import docsScript from "../../public/static/docs.js" with { type: "text" };
import docsSchema from "../../public/static/docs_schema.js" with { type: "text" };
import fleet from "../../public/static/fleet.js" with { type: "text" };
import logs from "../../public/static/logs.html" with { type: "text" };
import logsScript from "../../public/static/logs.js" with { type: "text" };
import page from "../../public/static/page.js" with { type: "text" };
import style from "../../public/static/style.css" with { type: "text" };
import type { HubEnv } from "./body.ts";

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

const FILES: readonly (readonly [path: string, type: string, content: unknown])[] = [
  ["/", HTML, index],
  ["/docs", HTML, docs],
  ["/static/logs.html", HTML, logs],
  ["/static/fleet.js", SCRIPT, fleet],
  ["/static/logs.js", SCRIPT, logsScript],
  ["/static/page.js", SCRIPT, page],
  ["/static/docs.js", SCRIPT, docsScript],
  ["/static/docs_schema.js", SCRIPT, docsSchema],
  ["/static/style.css", STYLE, style],
  ["/static/docs.css", STYLE, docsStyle],
];

/** Names of nodes and models come from other machines: a page runs our own scripts and nothing else. */
const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

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

for (const [path, type, content] of FILES) {
  // The imports are text (`type: "text"`); TypeScript knows .html and .js only as what Bun's bundler makes of them.
  const text = String(content);
  dashboard.get(path, (context) => context.body(text, 200, { ...SECURITY_HEADERS, "content-type": type }));
}
