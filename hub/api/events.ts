/** `GET /events`: server-sent events for the dashboard, as long as it is open. */
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import { z } from "zod";
import { ALIVE_MS, type Live, MOST_LISTENERS, TOPICS } from "../observe/live.ts";
import { badRequest } from "./bad_request.ts";
import { boundIdleTimeout, type HubEnv, hangUpOf } from "./body.ts";

export interface EventsRouteDeps {
  readonly live: Live;
}

/** What can be asked: which topics, with commas between them; all of them where nothing is said. */
const eventsQuery = z.object({
  topics: z
    .string()
    .default(TOPICS.join(","))
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum(TOPICS))),
});

const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // nginx would keep events back until it has a buffer full of them.
  "x-accel-buffering": "no",
};

/** The route. */
export function eventsRoute(hub: EventsRouteDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  app.get("/events", zValidator("query", eventsQuery, badRequest), (context) => {
    // Hono answers HEAD by this; nobody would read the stream.
    if (context.req.method === "HEAD") return context.body(null, 200, HEADERS);
    const stream = hub.live.listen({
      topics: new Set(context.req.valid("query").topics),
      signal: context.req.raw.signal,
      hangUp: hangUpOf(context),
      mayStay: context.get("mayStay") ?? (() => false),
    });
    if (stream === null) {
      const detail = `The hub is stopping, or ${MOST_LISTENERS} listen to its events already`;
      return context.json({ detail }, 503, { "retry-after": "5" });
    }
    // A sign of life goes out more often than that: who vanished without a word is noticed, and nobody else.
    boundIdleTimeout(context, ALIVE_MS);
    return context.body(stream, 200, HEADERS);
  });
  return app;
}
