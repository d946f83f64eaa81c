/** Blobs, the files a model is made of: many gigabytes that pass through without ever being kept. */
import { type Context, Hono } from "hono";
import type { NodeRecord } from "../fleet/node_record.ts";
import { broadcast } from "../manage/broadcast.ts";
import { firstOf, type Target, targetOf } from "../manage/managed_nodes.ts";
import { homesFor } from "../policy/model_home.ts";
import { type HubEnv, liftIdleTimeout } from "./body.ts";
import { askEach, type Ending, failed } from "./many_nodes.ts";
import { askOne, isEmpty, type Manner } from "./one_node.ts";
import { type ManageDeps, refuseIfOff, type Visit, visit } from "./visit.ts";

/** Seconds without a byte of an upload, which waits for the slowest node's disk; as on the node. At most 255. */
const UPLOAD_IDLE_SECONDS = 240;

const NOTHING = new Uint8Array(0);

/** `HEAD` and `POST /api/blobs/:digest`. */
export function blobRoutes(hub: ManageDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();
  // Hono gives a HEAD to the route of GET; a GET is refused before it gets here.
  app.get("/api/blobs/:digest", (context) => refuseIfOff(context, hub) ?? headBlob(context, hub));
  app.post("/api/blobs/:digest", (context) => refuseIfOff(context, hub) ?? postBlob(context, hub));
  return app;
}

/** 200 only where every node that would get the blob has it. */
async function headBlob(context: Context<HubEnv>, hub: ManageDeps): Promise<Response> {
  const request = visitOf(context, hub, hub.attemptTimes.firstByteMs);
  const target = targetOf(request.asked, hub, (present) => together(present, hub));
  const manner = mannerOf(context, hub);
  if (target.kind === "nobody") return request.refuse(target.answer);
  if (target.kind === "one") return askOne(request, target.candidates, NOTHING, manner, hub);
  const endings = await Promise.all(target.nodes.map((node) => askEach(request, node, NOTHING, manner, hub)));
  const missing = endings.find(({ error }) => error !== null);
  const error = missing ? `${missing.node.id}: ${missing.error}` : null;
  return request.answer({ status: missing?.status ?? 200, headers: new Headers(), body: null }, target.nodes, error);
}

async function postBlob(context: Context<HubEnv>, hub: ManageDeps): Promise<Response> {
  const request = withLength(visitOf(context, hub, null), context);
  const target = targetOf(request.asked, hub, (present) => together(present, hub));
  const manner = mannerOf(context, hub);
  if (target.kind === "nobody") return request.refuse(target.answer);

  const source = context.req.raw.body;
  // A client that vanished in the middle of it would never be noticed without a limit.
  context.env.timeout(context.req.raw, UPLOAD_IDLE_SECONDS);
  const takers = target.kind === "one" ? 1 : target.nodes.length;
  const branches = source ? broadcast(source, takers, () => liftIdleTimeout(context)) : [];
  const bodyOf = (index: number) => branches[index]?.stream ?? NOTHING;
  // One that has the blob already, or failed, must not hold up the others, nor the client.
  const drop = (index: number) => branches[index]?.drop();

  if (target.kind === "one") {
    hub.blobPlaces.chose(target.candidates[0]?.id ?? "", hub.registry.now());
    return askOne(request, target.candidates, bodyOf(0), manner, hub).finally(() => drop(0));
  }
  const asking = target.nodes.map((node, index) =>
    askEach(request, node, bodyOf(index), manner, hub).finally(() => drop(index)),
  );
  return conclude(request, await Promise.all(asking));
}

/** 201 if anybody stored it, 200 if all had it. Where one of them failed, making a model of it there will say so. */
function conclude(request: Visit, endings: readonly Ending[]): Response {
  const good = endings.filter(({ error }) => error === null);
  const stored = good.some(({ status }) => status === 201);
  if (!stored && good.length < endings.length) return failed(request, endings);
  const nodes = good.map(({ node }) => node);
  const bad = endings.filter(({ error }) => error !== null).map(({ node, error }) => `${node.id}: ${error}`);
  const whole = { status: stored ? 201 : 200, headers: new Headers(), body: null };
  return request.answer(whole, nodes, bad.length > 0 ? bad.join("; ") : null);
}

/** Where blobs went a moment ago, so that those of one model meet; else where there is most room. */
function together(present: readonly NodeRecord[], { blobPlaces, registry }: ManageDeps): Target {
  const chosen = blobPlaces.chosen(registry.now());
  const homes = homesFor(present, null);
  return firstOf([...homes.filter(({ id }) => id === chosen), ...homes.filter(({ id }) => id !== chosen)]);
}

function mannerOf(context: Context<HubEnv>, { blobPlaces, registry }: ManageDeps): Manner {
  const digest = context.req.param("digest") ?? "";
  return {
    stream: false,
    isAnswer: isEmpty,
    async onDone({ id }) {
      blobPlaces.stored(digest, id);
      blobPlaces.chose(id, registry.now());
    },
  };
}

function visitOf(context: Context<HubEnv>, hub: ManageDeps, patienceMs: number | null): Visit {
  return visit(context, { model: "", stream: false, json: null, patienceMs }, hub);
}

/** The client's own length, where it gave one, so that the node can tell a cut upload from a whole one. */
function withLength(request: Visit, context: Context<HubEnv>): Visit {
  const length = context.req.header("content-length");
  return length === undefined ? request : { ...request, headers: { ...request.headers, "content-length": length } };
}
