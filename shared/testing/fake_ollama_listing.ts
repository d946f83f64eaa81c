// The routes that say which models there are: tags, ps, show, /v1/models.
import { type Deps, decodeNative, jsonHeaders, requireModel } from "./fake_ollama_checks.ts";
import { type Exchange, headerOf } from "./fake_ollama_http.ts";
import { goJson, Refusal } from "./fake_ollama_json.ts";
import {
  detailsOf,
  displayName,
  requireModelName,
  type StoredModel,
  showAnswer,
  tagsEntry,
} from "./fake_ollama_models.ts";
import { epochOf, localStamp } from "./fake_ollama_time.ts";
import { v1JsonHeaders } from "./fake_ollama_v1.ts";

/** GET /api/tags. */
export function tags(exchange: Exchange, { store }: Deps): Promise<void> {
  return exchange.send(200, jsonHeaders, goJson({ models: store.all().map(tagsEntry) }));
}

/** GET /api/ps. */
export function ps(exchange: Exchange, { engine }: Deps): Promise<void> {
  const forEver = Date.UTC(2318, 0, 1);
  const models = engine.runners.list().map(({ model, expiresAt }) => ({
    name: model.name,
    model: model.name,
    size: model.size,
    digest: model.digest,
    details: detailsOf(model, false),
    expires_at: localStamp(Math.min(epochOf(expiresAt), forEver)),
    size_vram: model.size,
    context_length: 4096,
  }));
  return exchange.send(200, jsonHeaders, goJson({ models }));
}

/** POST /api/show. */
export function show(exchange: Exchange, { store }: Deps): Promise<void> {
  const spec = { model: "string", name: "string", verbose: "bool", system: "string", options: "object" } as const;
  const fields = decodeNative(exchange, "api.ShowRequest", spec);
  const requested = String(fields.model || fields.name || "");
  if (requested === "") throw new Refusal(400, "model is required");
  const name = requireModelName(requested);
  const model = requireModel(store, requested, `model '${displayName(name)}' not found`);
  const userAgent = headerOf(exchange.request, "user-agent") ?? "";
  return exchange.send(200, jsonHeaders, goJson(showAnswer(model, requested, userAgent)));
}

/** GET /v1/models; `data` is null, not empty, when there are none. */
export function v1Models(exchange: Exchange, { store }: Deps): Promise<void> {
  const entries = store.all().map((model) => modelEntry(model, model.name));
  const list = { object: "list", data: entries.length === 0 ? null : entries };
  return exchange.send(200, v1JsonHeaders, `${goJson(list)}\n`);
}

/** GET /v1/models/:model. */
export function v1Model(exchange: Exchange, { store }: Deps, name: string): Promise<void> {
  const model = requireModel(store, name, `model '${displayName(requireModelName(name))}' not found`);
  return exchange.send(200, v1JsonHeaders, `${goJson(modelEntry(model, name))}\n`);
}

function modelEntry(model: StoredModel, id: string): object {
  const created = Math.floor(model.modifiedAt / 1000);
  return { id, object: "model", created, owned_by: model.id.namespace };
}
