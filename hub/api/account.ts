/** Ollama's routes for an account at ollama.com. It belongs to one node, whose key signs in: a hub has none. */
import { type Context, Hono } from "hono";
import { nativeError } from "../faces/native.ts";
import type { HubAnswer } from "../job.ts";
import { firstOf, targetOf } from "../manage/managed_nodes.ts";
import { homesFor } from "../policy/model_home.ts";
import type { HubEnv } from "./body.ts";
import { askOne, isJson } from "./one_node.ts";
import { readFields } from "./request_fields.ts";
import { type ManageDeps, readWhole, visit } from "./visit.ts";

/** Ollama's words for a client that is not signed in. */
const UNAUTHORIZED = nativeError(401, "unauthorized");
const NO_SEARCH = nativeError(403, "ollama cloud is disabled: web search is unavailable");
const NO_FETCH = nativeError(403, "ollama cloud is disabled: web fetch is unavailable");
const ONE_ONLY = nativeError(400, "an account belongs to one node: name it in X-Node-Id instead of *");

/** Those routes: each request goes to the node that X-Node-Id names, else to the one where models are put first. */
export function accountRoutes(hub: ManageDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  app.post("/api/me", (context) => forwardToOne(context, hub, UNAUTHORIZED));
  app.post("/api/signout", (context) => forwardToOne(context, hub, UNAUTHORIZED));
  app.delete("/api/user/keys/:encodedKey", (context) => forwardToOne(context, hub, UNAUTHORIZED));
  app.post("/api/experimental/web_search", (context) => forwardToCloud(context, hub, NO_SEARCH));
  app.post("/api/experimental/web_fetch", (context) => forwardToCloud(context, hub, NO_FETCH));
  return app;
}

function forwardToCloud(context: Context<HubEnv>, hub: ManageDeps, refusal: HubAnswer): Response | Promise<Response> {
  // It is a service of the node's account, not a model.
  const isLimited = (context.get("caller")?.models ?? null) !== null;
  if (hub.allowCloud && !isLimited) return forwardToOne(context, hub, null);
  return visit(context, ABOUT_NOTHING, hub).refuse(refusal);
}

const ABOUT_NOTHING = { model: "", stream: false, json: null, patienceMs: null };

/** `nobody` is the answer where no node is there; null for the hub's own words. */
async function forwardToOne(context: Context<HubEnv>, hub: ManageDeps, nobody: HubAnswer | null): Promise<Response> {
  const body = await readWhole(context, hub);
  const isWhole = body instanceof Uint8Array;
  const json = isWhole ? ((await readFields(body, context.req.raw.headers)) ?? null) : null;
  const request = visit(context, { ...ABOUT_NOTHING, json, patienceMs: hub.attemptTimes.firstByteMs }, hub);
  if (!isWhole) return request.refuse(body);
  const target = targetOf(request.asked, hub, (present) => firstOf(homesFor(present, null)));
  if (target.kind === "each") return request.refuse(ONE_ONLY);
  if (target.kind === "nobody") return request.refuse(request.asked ? target.answer : (nobody ?? target.answer));
  const manner = { stream: false, isAnswer: isJson, onDone: async () => {} };
  return askOne(request, target.candidates, body, manner, hub);
}
