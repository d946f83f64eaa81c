/** `GET /access`, `POST /login`, `POST /logout`: whether a key is asked for, and showing one once instead of every time. */
import { type Context, Hono } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { z } from "zod";
import { parseJsonBytes } from "../../shared/json.ts";
import { sourceOf } from "../../shared/networks.ts";
import { describeAccess, type Gate } from "../access/gate.ts";
import { COOKIE, SESSION_SECONDS } from "../access/sessions.ts";
import { type HubEnv, readBody } from "./body.ts";

export interface LoginDeps {
  readonly gate: Gate;
}

/** What `POST /login` takes. */
export const loginRequest = z.object({ key: z.string().min(1).max(512) });

/** Bytes. */
const LARGEST_LOGIN = 4_096;

/** The routes. */
export function loginRoutes(hub: LoginDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  app.get("/access", (context) => {
    const { mode, ...rest } = describeAccess(hub.gate);
    const role = context.get("role") ?? "anonymous";
    // That any machine may join is for nobody to know who may not so much as look.
    return context.json(role === "anonymous" ? { mode } : { mode, ...rest, role });
  });
  app.post("/login", (context) => logIn(context, hub));
  app.post("/logout", (context) => {
    const cookie = getCookie(context, COOKIE);
    if (cookie !== undefined) hub.gate.sessions.end(cookie);
    deleteCookie(context, COOKIE, { path: "/" });
    return context.body(null, 204);
  });
  return app;
}

async function logIn(context: Context<HubEnv>, { gate }: LoginDeps): Promise<Response> {
  if (!gate.keys.closed) return nothingToLogInTo(context);
  // Forms of other sites cannot say so: nobody is logged in as somebody else without knowing.
  if (!context.req.header("content-type")?.toLowerCase().startsWith("application/json")) {
    return context.json({ detail: "expected JSON, with Content-Type: application/json" }, 415);
  }
  const body = await readBody(context, LARGEST_LOGIN);
  const read = loginRequest.safeParse(body.kind === "whole" ? parseJsonBytes(body.bytes) : undefined);
  if (!read.success) return context.json({ detail: 'expected {"key": "ohk_…"}' }, 400);
  const found = gate.keys.find(read.data.key.trim());
  if (found.kind !== "key") {
    const source = sourceOf(context.get("source") ?? null);
    const tooMany = found.kind === "unknown" ? gate.guesses.tried(source) : null;
    if (tooMany !== null) return context.json({ detail: tooMany.sentence }, 429, { ...tooMany.headers });
    const why = found.kind === "expired" ? "This key has expired" : "This key is not known here, or was revoked";
    return context.json({ detail: why }, 401);
  }
  const { key } = found;
  if (key.role === "caller") {
    const detail = "This key is for programs: the dashboard needs one with --viewer or --admin (ollama-hub key add)";
    return context.json({ detail }, 403);
  }
  const value = gate.sessions.begin(key.id);
  if (value === null) return nothingToLogInTo(context);
  setCookie(context, COOKIE, value, {
    path: "/",
    httpOnly: true,
    sameSite: "Strict",
    maxAge: SESSION_SECONDS,
    secure: context.req.url.startsWith("https:") || context.req.header("x-forwarded-proto") === "https",
  });
  return context.json({ name: key.name, role: key.role });
}

function nothingToLogInTo(context: Context<HubEnv>): Response {
  return context.json({ detail: "This hub is open: there is nothing to log in to" }, 409);
}
