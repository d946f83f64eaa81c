/** `GET /openapi.json`, the description of all routes. The page that shows it is one of the dashboard's files. */
import { Hono } from "hono";
import type { HubEnv } from "./body.ts";
import type { describeHub } from "./openapi/document.ts";

/**
 * The route. Its chapters are loaded and the document is made when it is asked for the first time, since most hubs never
 * are: their schemas are 4 MB and a quarter of the time to start (measured).
 */
export function docsRoutes(): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  let documentAt: ReturnType<typeof describeHub> | undefined;
  app.get("/openapi.json", async (context) => {
    documentAt ??= (await import("./openapi/document.ts")).describeHub();
    return context.json(documentAt(new URL(context.req.url).origin), 200, { "cache-control": "no-cache" });
  });
  return app;
}
