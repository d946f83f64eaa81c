/** What the fleet as a whole has, in Ollama's and OpenAI's shapes: version, models on disk, models in memory. */
import { type Context, Hono } from "hono";
import { modelKey } from "../../shared/model_name.ts";
import { goJson } from "../faces/go_json.ts";
import { openAiError } from "../faces/openai.ts";
import { notFoundAsListed } from "../faces/wording.ts";
import type { FleetLists } from "../fleet/fleet_lists.ts";
import { lowestVersion, mergePs, mergeTags, v1Model, v1Models } from "../policy/merge_lists.ts";
import type { HubEnv } from "./body.ts";
import { mayUse } from "./model_rule.ts";

export interface ListsDeps {
  readonly fleetLists: FleetLists;
  readonly allowCloud: boolean;
}

/** The routes that tell what there is. None of them depends on a node being there. */
export function listRoutes({ fleetLists, allowCloud }: ListsDeps): Hono<HubEnv> {
  const app = new Hono<HubEnv>();

  /** Without what the caller's key may not use. */
  const tags = (context: Context<HubEnv>) => {
    const models = context.get("caller")?.models ?? null;
    const lists = fleetLists.present().map((node) => ({ nodeId: node.id, tags: node.tags }));
    return mergeTags(lists).filter(({ name }) => mayUse(models, modelKey(name)));
  };

  app.get("/api/version", (context) =>
    native(context, { version: lowestVersion(fleetLists.present().map((node) => node.ollamaVersion)) }),
  );

  app.get("/api/status", (context) =>
    native(context, { cloud: { disabled: !allowCloud, source: allowCloud ? "none" : "env" } }),
  );

  app.get("/api/tags", async (context) => {
    await fleetLists.refresh();
    return native(context, { models: tags(context) });
  });

  app.get("/api/ps", async (context) => {
    await fleetLists.refresh();
    const lists = fleetLists.present().map((node) => ({ nodeId: node.id, ps: node.ps }));
    const models = context.get("caller")?.models ?? null;
    return native(context, { models: mergePs(lists).filter(({ name }) => mayUse(models, modelKey(name))) });
  });

  app.get("/api/experimental/model-recommendations", (context) => native(context, { recommendations: [] }));

  app.get("/v1/models", async (context) => {
    await fleetLists.refresh();
    return openAi(context, v1Models(tags(context)));
  });

  app.get("/v1/models/:model", async (context) => {
    await fleetLists.refresh();
    const name = context.req.param("model");
    const model = v1Model(tags(context), name);
    if (model !== null) return openAi(context, model);
    const { status, contentType, text } = openAiError(404, notFoundAsListed(name));
    return new Response(text, { status, headers: { "content-type": contentType } });
  });

  return app;
}

function native(context: Context, json: object): Response {
  return written(context, goJson(json), "application/json; charset=utf-8");
}

function openAi(context: Context, json: object): Response {
  return written(context, `${goJson(json)}\n`, "application/json");
}

/** With its length, which is all that HEAD tells of a body. */
function written(context: Context, text: string, contentType: string): Response {
  return context.body(text, 200, { "content-type": contentType, "content-length": String(Buffer.byteLength(text)) });
}
