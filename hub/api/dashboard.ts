/** The dashboard's files, embedded into the program, with headers that let a page load nothing else. */
import { Hono } from "hono";
import index from "../../public/index.html" with { type: "text" };
import fleet from "../../public/static/fleet.js" with { type: "text" };
import logs from "../../public/static/logs.html" with { type: "text" };
import logsScript from "../../public/static/logs.js" with { type: "text" };
import page from "../../public/static/page.js" with { type: "text" };
import style from "../../public/static/style.css" with { type: "text" };
import type { HubEnv } from "./body.ts";

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";

const FILES: readonly (readonly [path: string, type: string, content: unknown])[] = [
  ["/", HTML, index],
  ["/static/logs.html", HTML, logs],
  ["/static/fleet.js", SCRIPT, fleet],
  ["/static/logs.js", SCRIPT, logsScript],
  ["/static/page.js", SCRIPT, page],
  ["/static/style.css", "text/css; charset=utf-8", style],
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

for (const [path, type, content] of FILES) {
  // The imports are text (`type: "text"`); TypeScript knows .html and .js only as what Bun's bundler makes of them.
  const text = String(content);
  dashboard.get(path, (context) => context.body(text, 200, { ...SECURITY_HEADERS, "content-type": type }));
}
