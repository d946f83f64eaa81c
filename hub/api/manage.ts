/** Ollama's routes that change which models there are: which nodes each request goes to, and what becomes known after it. */
import { type Context, Hono } from "hono";
import { isCloudName, isModelName, type ModelKey, modelKey } from "../../shared/model_name.ts";
import { nativeError } from "../faces/native.ts";
import { CLOUD_REFUSED } from "../faces/wording.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import type { HubAnswer } from "../job.ts";
import { eachOf, firstOf, type Target, targetOf } from "../manage/managed_nodes.ts";
import { holdersOf, homesFor } from "../policy/model_home.ts";
import { blobRoutes } from "./blobs.ts";
import type { HubEnv } from "./body.ts";
import { goField } from "./go_fields.ts";
import { modelOf } from "./inference.ts";
import { askEach, type Ending, failed, mergeProgress } from "./many_nodes.ts";
import { askOne, isEmpty, isJson, type Manner } from "./one_node.ts";
import { type Fields, readFields } from "./request_fields.ts";
import { type ManageDeps, readWhole, refuseIfOff, type Visit, visit } from "./visit.ts";

interface ManageRoute {
  readonly path: string;
  readonly method: "POST" | "DELETE";
  /** Whether it answers in lines of progress, unless the client asks for one object. */
  readonly progress: boolean;
  /** The model it is about. */
  readonly model: (fields: Fields) => string;
  /** A model that has to come from, or go to, somewhere outside of the fleet. */
  readonly outside?: (fields: Fields) => string;
  /** The model that is there when it is done, or changed. */
  readonly made?: (fields: Fields) => string;
  /** Who gets it when the client names nobody. */
  readonly goesTo: (present: readonly NodeRecord[], fields: Fields, hub: ManageDeps) => Target;
}

const ROUTES: readonly ManageRoute[] = [
  {
    path: "/api/pull",
    method: "POST",
    progress: true,
    model: modelOf,
    outside: modelOf,
    made: modelOf,
    goesTo: (present, fields) => firstOf(homesFor(present, keyOf(modelOf(fields)))),
  },
  {
    path: "/api/push",
    method: "POST",
    progress: true,
    model: modelOf,
    outside: modelOf,
    goesTo: (present, fields) => firstOf(holdersOrHomes(present, modelOf(fields))),
  },
  {
    path: "/api/create",
    method: "POST",
    progress: true,
    model: modelOf,
    outside: fromOf,
    made: modelOf,
    goesTo: (present, fields, hub) => {
      const holder = blobHolder(present, fields, hub);
      return firstOf(holder === null ? holdersOrHomes(present, fromOf(fields), modelOf(fields)) : [holder]);
    },
  },
  {
    path: "/api/copy",
    method: "POST",
    progress: false,
    model: (fields) => textOf(fields, "source"),
    made: (fields) => textOf(fields, "destination"),
    goesTo: (present, fields) => everyHolder(present, textOf(fields, "source")),
  },
  {
    path: "/api/delete",
    method: "DELETE",
    progress: false,
    model: modelOf,
    goesTo: (present, fields) => everyHolder(present, modelOf(fields)),
  },
];

/** What Ollama answers to a pull, push or create with stream false. */
const SUCCESS = '{"status":"success"}';

/** Those routes, and the ones for blobs. */
export function manageRoutes(hub: ManageDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  for (const route of ROUTES) app.on(route.method, route.path, (context) => manage(context, route, hub));
  app.route("/", blobRoutes(hub));
  return app;
}

async function manage(context: Context<HubEnv>, route: ManageRoute, hub: ManageDeps): Promise<Response> {
  const off = refuseIfOff(context, hub);
  if (off !== null) return off;
  const body = await readWhole(context, hub);
  const fields = body instanceof Uint8Array ? await readFields(body, context.req.raw.headers) : undefined;
  const stream = route.progress && goField(fields, "stream") !== false;
  const patienceMs = route.progress ? null : hub.attemptTimes.firstByteMs;
  const request = visit(context, { model: route.model(fields), stream, json: fields ?? null, patienceMs }, hub);
  if (!(body instanceof Uint8Array)) return request.refuse(body);
  if (!hub.allowCloud && isCloudName(route.outside?.(fields) ?? ""))
    return request.refuse(nativeError(403, CLOUD_REFUSED));

  // Somebody may have changed a node's models a moment ago, with Ollama's own program on that machine.
  if (!request.asked) await hub.fleetLists.refresh();
  const target = targetOf(request.asked, hub, (present) => route.goesTo(present, fields, hub));
  if (route.path === "/api/copy" || route.method === "DELETE") {
    const absent = absentHolders(route.model(fields), request.asked, hub);
    if (absent !== null) return request.refuse(absent);
  }
  const manner: Manner = {
    stream,
    isAnswer: route.progress ? isJson : isEmpty,
    onDone: (node) => learn(node, route.made?.(fields) ?? "", hub),
  };
  switch (target.kind) {
    case "nobody":
      return request.refuse(target.answer);
    case "one":
      return askOne(request, target.candidates, body, manner, hub);
    case "each":
      if (stream) return mergeProgress(request, target.nodes, body, manner, hub);
      return conclude(
        request,
        route,
        await Promise.all(target.nodes.map((node) => askEach(request, node, body, manner, hub))),
      );
  }
}

/** One answer for nodes that all have ended. */
function conclude(request: Visit, route: ManageRoute, endings: readonly Ending[]): Response {
  // Gone is gone: deleted by somebody else in the meantime, or never there.
  const isFine = ({ status, error }: Ending) => error === null || (route.method === "DELETE" && status === 404);
  const nodes = endings.map(({ node }) => node);
  if (!endings.every(isFine) || endings.every(({ error }) => error !== null)) return failed(request, endings);
  if (!route.progress) return request.answer({ status: 200, headers: new Headers(), body: null }, nodes, null);
  const headers = new Headers({ "content-type": "application/json" });
  return request.answer({ status: 200, headers, body: SUCCESS }, nodes, null);
}

/** What is known after `node` did it: the model is there, whatever was believed before, and so are the lists. */
async function learn(node: NodeRecord, made: string, { registry, fleetLists }: ManageDeps): Promise<void> {
  if (isModelName(made)) registry.arrived(node.id, modelKey(made));
  await fleetLists.refreshNode(node);
}

/** Where nobody has it, or what is named is no model, any node's Ollama says so best. */
function everyHolder(present: readonly NodeRecord[], model: string): Target {
  const key = keyOf(model);
  const holders = key === null ? [] : holdersOf(present, key);
  return holders.length > 0 ? eachOf(holders) : firstOf(homesFor(present, key));
}

/** The refusal for a model that only nodes have which cannot be asked now: it is not gone, they are. */
function absentHolders(model: string, asked: string | null, { registry, fleetLists }: ManageDeps): HubAnswer | null {
  const key = keyOf(model);
  if (key === null || asked !== null) return null;
  const holders = Array.from(registry.all()).filter((node) => node.models.has(key));
  const present = new Set(fleetLists.present());
  if (holders.length === 0 || holders.some((node) => present.has(node))) return null;
  const names = holders.map(({ id }) => id).join(", ");
  return nativeError(503, `model '${model}' is on ${names} only, which cannot be asked now (GET /nodes shows why)`);
}

/** Nodes that have `model`, else those to which `instead` belongs. */
function holdersOrHomes(present: readonly NodeRecord[], model: string, instead = model): NodeRecord[] {
  const key = keyOf(model);
  const holders = key === null ? [] : holdersOf(present, key);
  return holders.length > 0 ? holders : homesFor(present, keyOf(instead));
}

/** The node that got most of the blobs a model is to be made of, or null: then its Ollama says which are missing. */
function blobHolder(present: readonly NodeRecord[], fields: Fields, { blobPlaces }: ManageDeps): NodeRecord | null {
  const counts = blobPlaces.holders(
    ["files", "adapters", "draft_files"].flatMap((name) => digestsIn(goField(fields, name))),
  );
  const holders = homesFor(present, null).filter(({ id }) => counts.has(id));
  return holders.toSorted((a, b) => (counts.get(b.id) ?? 0) - (counts.get(a.id) ?? 0))[0] ?? null;
}

function digestsIn(files: unknown): string[] {
  if (typeof files !== "object" || files === null) return [];
  return Object.values(files).filter((digest): digest is string => typeof digest === "string");
}

function keyOf(model: string): ModelKey | null {
  return isModelName(model) ? modelKey(model) : null;
}

function fromOf(fields: Fields): string {
  return textOf(fields, "from");
}

function textOf(fields: Fields, name: string): string {
  const text = goField(fields, name);
  return typeof text === "string" ? text : "";
}
