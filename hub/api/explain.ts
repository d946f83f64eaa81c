/** `POST /explain`: which node a request would go to now, and why. Nothing is sent to any node, nothing is logged. */
import { type Context, Hono } from "hono";
import { parseJsonBytes } from "../../shared/json.ts";
import type { Route } from "../fleet/node_record.ts";
import { placement } from "../placement.ts";
import { type Decision, judge } from "../policy/decision.ts";
import { type About, type Explanation, explain } from "../policy/explain.ts";
import { look } from "../policy/selection.ts";
import type { Registry } from "../registry.ts";
import { isTooDeep } from "../skim_json.ts";
import { type HubEnv, readBody, releaser, whyUnread } from "./body.ts";
import { inferenceRoute } from "./inference.ts";
import { jobsRoute } from "./jobs.ts";
import { SERVED } from "./ollama.ts";
import { DEEPEST_BODY, isForm, TRANSCRIPTIONS } from "./request_fields.ts";
import { type Draft, isRefusedCloud, needsOf, type Read, type ServeDeps, type ServedRoute } from "./serve.ts";
import { holdersOf } from "./unload.ts";

const JOBS = "/jobs";

/** Every route whose requests a node is chosen for, by its path. */
const ROUTES: ReadonlyMap<string, ServedRoute> = new Map([
  [JOBS, jobsRoute],
  ...SERVED.map((options) => [options.path, inferenceRoute(options)] as const),
]);

/** What `path` may be. */
export const EXPLAINED_PATHS: readonly string[] = Array.from(ROUTES.keys());

/** The JSON of `decision`. */
export function describeDecision(
  decision: Decision<Route>,
  about: About,
  registry: Pick<Registry, "inOrder">,
): Explanation {
  return explain(decision, about, registry.inOrder);
}

/** The route. */
export function explainRoute(hub: ServeDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  app.post("/explain", async (context) => {
    try {
      return await answer(context, hub);
    } finally {
      releaser(context)();
    }
  });
  return app;
}

async function answer(context: Context<HubEnv>, hub: ServeDeps): Promise<Response> {
  const path = context.req.query("path") || JOBS;
  const refuse = (status: 400 | 413 | 503, detail: string) => context.json({ detail }, status);
  const route = ROUTES.get(path);
  if (!route) return refuse(400, `path: must be one of ${EXPLAINED_PATHS.join(", ")}`);
  const body = await readBody(context, hub.maxBody, hub.bodyBudget);
  const draft = body.kind === "whole" ? await readDraft(route, path, body.bytes, context.req.raw, hub) : body.kind;
  if (typeof draft === "string") {
    const { status, why } = whyUnread(draft, hub);
    return refuse(status, status === 503 ? `The hub cannot take it now: ${why}` : why);
  }
  if ("problem" in draft) return refuse(400, draft.problem);
  // No await from here on: what is told is one moment.
  const decision = decide(draft, route, context.req.raw.headers, hub);
  const about = { model: draft.model || null, endpoint: path, at: hub.clock.wall() };
  return context.json(describeDecision(decision, about, hub.registry));
}

/** The request in `bytes` as `route` reads it; what has nothing to do with where it goes may be missing from it. */
async function readDraft(
  route: ServedRoute,
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
  request: Request,
  { bodyBudget }: ServeDeps,
): Promise<Read> {
  const sent = path === JOBS ? withPrompt(bytes) : bytes;
  const asked = path === TRANSCRIPTIONS && !isForm(path, request.headers) ? await formOf(bytes, request) : null;
  const draft = await route.read("", asked?.bytes ?? sent, asked?.request ?? request, bodyBudget);
  if (typeof draft === "object" && !("problem" in draft) && (typeof draft.json !== "object" || draft.json === null)) {
    return { problem: 'The body is not valid JSON: expected a request such as {"model": "llama3"}' };
  }
  return draft;
}

/** A job as it stands in `bytes`, with a prompt: which one is no matter. */
function withPrompt(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  // Such a one is refused as it is.
  if (isTooDeep(bytes, DEEPEST_BODY)) return bytes;
  const json = parseJsonBytes(bytes);
  if (typeof json !== "object" || json === null || "prompt" in json || Array.isArray(json)) return bytes;
  return new TextEncoder().encode(JSON.stringify({ prompt: "", ...json }));
}

/** The texts of the JSON in `bytes` as a form, for the one route that takes nothing else; null where it is no object. */
async function formOf(bytes: Uint8Array<ArrayBuffer>, { url, headers: sent }: Request) {
  const json = parseJsonBytes(bytes);
  if (typeof json !== "object" || json === null) return null;
  const form = new FormData();
  for (const [name, value] of Object.entries(json)) if (typeof value === "string") form.append(name, value);
  const written = new Response(form);
  const headers = new Headers(sent);
  headers.set("content-type", written.headers.get("content-type") ?? "");
  return { bytes: new Uint8Array(await written.arrayBuffer()), request: new Request(url, { headers }) };
}

/** What the request path would decide now, in its own words. */
function decide(draft: Draft, route: ServedRoute, headers: Headers, hub: ServeDeps): Decision<Route> {
  const { registry, liveness } = hub;
  const job = { ...draft, needs: needsOf(route, draft.slot, headers) };
  const request = placement(job, hub);
  const nodes = Array.from(registry.all());
  const lookAt = (some: typeof nodes) => look(some, request, registry.now(), liveness);
  const options = { newcomer: true, whole: true };
  if (isRefusedCloud(job, hub)) {
    const why = "the model runs at a cloud service, and this hub lets no such request pass (ALLOW_CLOUD)";
    return judge(lookAt([]), { ...options, leftOut: { nodes, why, summary: `No node gets it: ${why}.` } });
  }
  const holders = draft.unloads ? holdersOf(job, hub) : [];
  if (holders.length === 0) return judge(lookAt(nodes), options);
  const others = nodes.filter((node) => !holders.includes(node));
  const names = holders.map(({ id }) => id).join(", ");
  const summary = `It takes the model out of memory, and goes to every node that has it there: ${names}.`;
  return judge(lookAt(holders), {
    ...options,
    leftOut: { nodes: others, why: "it does not have the model in memory", summary },
  });
}
