/** What every request that a node shall serve goes through: read, written into the log, let pass or not, dispatched. */
import type { Context } from "hono";
import { peerAddress } from "../../shared/listen.ts";
import { ANY_MODEL, isCloudName } from "../../shared/model_name.ts";
import type { Capability } from "../../shared/protocol.ts";
import { refuse } from "../answer.ts";
import type { BodyBudget } from "../body_budget.ts";
import type { Continuity } from "../conversations.ts";
import { type DispatchDeps, dispatch } from "../dispatch.ts";
import { CLOUD_REFUSED } from "../faces/wording.ts";
import type { FleetLists } from "../fleet/fleet_lists.ts";
import type { Face, Job, Refusal } from "../job.ts";
import { ANYBODY, type Caller } from "../policy/callers.ts";
import type { Needs } from "../policy/eligibility.ts";
import { livenessOf } from "../policy/liveness.ts";
import type { RequestLog } from "../request_log.ts";
import { askedNode } from "./asked_node.ts";
import { boundIdleTimeout, type HubEnv, hangUpOf, liftIdleTimeout, readBody, releaser, whyUnread } from "./body.ts";
import { refusedModel } from "./model_rule.ts";
import { unloadEverywhere } from "./unload.ts";

export interface ServeDeps extends DispatchDeps {
  readonly requestLog: RequestLog;
  readonly fleetLists: FleetLists;
  /** Bytes. */
  readonly maxBody: number;
  readonly bodyBudget: BodyBudget;
  /** Milliseconds a request may take altogether. */
  readonly requestMs: number;
  /** Whether models that run at a cloud service may be used. */
  readonly allowCloud: boolean;
}

/** A request as its route reads it. */
export type Draft = Pick<
  Job,
  "model" | "key" | "stream" | "path" | "headers" | "body" | "continuity" | "loadOptions"
> & {
  /** False for a question that runs no model. */
  readonly slot: boolean;
  /** What the log keeps of it. */
  readonly json: unknown;
  /** True for a request to take the model out of memory, which goes to every node that has it there. */
  readonly unloads?: boolean;
};

/** "no room" where reading it would take more than the hub can hold now. */
export type Read = Draft | { readonly problem: string } | "no room";

/** One route: how its requests are read and its errors are worded. */
export interface ServedRoute {
  readonly face: Face;
  readonly capability: Capability;
  /** The request in `bytes`, or a sentence that says what is wrong with it: which field, and why. */
  read(id: string, bytes: Uint8Array<ArrayBuffer>, request: Request, budget: BodyBudget): Read | Promise<Read>;
}

/** Milliseconds for which nodes are not asked again for a model that none of them has. */
const LISTS_HOLD_MS = 1_000;

/** Answers a request on `route`. */
export async function serve(context: Context<HubEnv>, route: ServedRoute, hub: ServeDeps): Promise<Response> {
  // What it was read from must not stay in memory while it waits and runs: of a job that was twice the body again.
  const opened = await open(context, route, hub);
  if (opened instanceof Response) return opened;
  const { job, unloads } = opened;
  // Somebody may have put it onto a node a moment ago.
  if (job.key !== ANY_MODEL && !isListed(job, hub)) await hub.fleetLists.refreshUnlessRecent(LISTS_HOLD_MS);
  if (isRefusedCloud(job, hub)) {
    return refuse(job, notPassed(403, CLOUD_REFUSED));
  }

  liftIdleTimeout(context);
  const response = await (unloads ? unloadEverywhere(job, hub) : dispatch(job, hub));
  boundIdleTimeout(context, hub.attemptTimes.idleMs);
  return response;
}

/** The request as the request path takes it, written into the log, or the answer to one that cannot be read. */
async function open(
  context: Context<HubEnv>,
  route: ServedRoute,
  hub: ServeDeps,
): Promise<{ readonly job: Job; readonly unloads: boolean } | Response> {
  const id = crypto.randomUUID();
  const request = context.req.raw;
  const body = await readBody(context, hub.maxBody, hub.bodyBudget);
  const read = body.kind === "whole" ? await route.read(id, body.bytes, request, hub.bodyBudget) : body.kind;
  const draft = typeof read === "string" || "problem" in read ? null : read;
  const model = draft?.model ?? "";
  const record = hub.requestLog.begin({
    requestId: id,
    clientIp: peerAddress(context.env, request),
    key: context.get("caller")?.key ?? null,
    endpoint: context.req.path,
    method: request.method,
    model: model || null,
    stream: draft?.stream ?? false,
    generates: draft?.slot ?? false,
    bodyBytes: body.kind === "whole" ? body.bytes.byteLength : 0,
    json: draft?.json ?? null,
    onEnd: releaser(context),
  });
  context.set("record", record);
  const { face } = route;
  // No closure here may name what was read: it would hold it as long as the record.
  const stop = (refusal: Refusal) => refuse({ id, model, face, record }, refusal);
  if (typeof read === "string") {
    const { status, why } = whyUnread(read, hub);
    return stop(status === 503 ? { kind: "exhausted", message: why } : notPassed(status, why));
  }
  if ("problem" in read) return stop(notPassed(400, read.problem));
  const caller = context.get("caller") ?? ANYBODY;
  const refused = refusedModel(caller, read.key, read.model);
  if (refused !== null) return stop(notPassed(403, refused));
  // What a route wrote anew takes the place of what came.
  context.get("bodyShare")?.holds(read.body);
  const { slot, json: _, unloads = false, ...rest } = read;
  const needs = needsOf(route, slot, request.headers);
  const deadlineAt = hub.clock.now() + hub.requestMs;
  return {
    job: {
      ...rest,
      continuity: believed(rest.continuity, caller),
      id,
      face,
      caller,
      needs,
      deadlineAt,
      record,
      signal: request.signal,
      hangUp: hangUpOf(context),
    },
    unloads,
  };
}

/** What a request on `route` with these `headers` asks of a node; `slot` as in its Draft. */
export function needsOf({ capability }: ServedRoute, slot: boolean, headers: Headers): Needs {
  return { capability, slot, nodeId: askedNode(headers) };
}

/** The conversation a request belongs to: as its text has it, or as somebody says who is believed. */
function believed(continuity: Continuity, { id, chat }: Caller): Continuity {
  return continuity.kind === "conversation" && chat !== null ? { ...continuity, id: `${id} ${chat}` } : continuity;
}

function notPassed(status: 400 | 403 | 413, message: string): Refusal {
  return { kind: "not_passed", status, message };
}

/** True when a node that is there, and may serve it, says that it has the model. */
function isListed({ key, needs }: Job, { registry, liveness }: ServeDeps): boolean {
  const now = registry.now();
  for (const node of registry.having(key)) {
    if ((needs.nodeId ?? node.id) !== node.id) continue;
    const age = livenessOf(now - node.lastHeardAt, liveness);
    if (age === "fresh" || age === "stale") return true;
  }
  return false;
}

/** True for a model that runs at a cloud service, where none may be used: its name says so, or its entry on any node. */
export function isRefusedCloud(
  { model, key }: Pick<Job, "model" | "key">,
  { allowCloud, registry }: Pick<ServeDeps, "allowCloud" | "registry">,
): boolean {
  if (allowCloud) return false;
  if (isCloudName(model)) return true;
  return registry.having(key).some((node) => node.remote.has(key));
}
