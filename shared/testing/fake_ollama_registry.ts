// The managing routes: pull, push, create, copy, delete, blobs, and the sign-in stubs.
import { type Deps, decodeNative, jsonHeaders, ndjsonHeaders } from "./fake_ollama_checks.ts";
import type { Exchange } from "./fake_ollama_http.ts";
import { goJson, isObject, Refusal } from "./fake_ollama_json.ts";
import { canonicalKey, completeModel, parseModelName, type StoredModel, sha256 } from "./fake_ollama_models.ts";
import { Pause } from "./fake_ollama_runner.ts";

const pullSteps = 4;
const notInRegistry = "pull model manifest: file does not exist";
const transferFields = { model: "string", name: "string", insecure: "bool", stream: "bool" } as const;

/** One line of progress; `error` ends the operation. */
type Progress = { status: string; digest?: string; total?: number; completed?: number } | { error: string };

/** POST /api/pull. Takes `pullMs`; a client that leaves stops it, and the model is not added. */
export async function pull(exchange: Exchange, deps: Deps): Promise<void> {
  const fields = decodeNative(exchange, "api.PullRequest", transferFields);
  const requested = String(fields.model || fields.name || "");
  if (parseModelName(requested) === undefined) throw new Refusal(400, "invalid model name");
  await report(exchange, fields.stream !== false, pulling(exchange, deps, requested));
}

async function* pulling(exchange: Exchange, deps: Deps, name: string): AsyncGenerator<Progress> {
  yield { status: "pulling manifest" };
  if (!isInRegistry(deps, name)) {
    yield { error: notInRegistry };
    return;
  }
  const pause = new Pause(exchange.gone);
  const known = deps.store.find(name);
  const total = known?.size ?? 2_019_377_376;
  const digest = `sha256:${sha256(`layer of ${name}`)}`;
  const layer = { status: `pulling ${digest.slice(7, 19)}`, digest, total };
  if (known === undefined) {
    yield layer; // `completed` is missing while it is 0
    for (let step = 1; step < pullSteps; step += 1) {
      await pause.sleep(deps.engine.settings.pullMs / pullSteps);
      yield { ...layer, completed: Math.floor((total * step) / pullSteps) };
    }
    await pause.sleep(deps.engine.settings.pullMs / pullSteps);
  }
  yield { ...layer, completed: total };
  yield { status: "verifying sha256 digest" };
  yield { status: "writing manifest" };
  if (known === undefined) deps.store.add(name, Date.now());
  yield { status: "success" };
}

/** What is on disk came from the registry once, so it counts as known there. */
function isInRegistry({ engine, store }: Deps, name: string): boolean {
  const id = parseModelName(name);
  if (engine.settings.registry === undefined || id === undefined) return id !== undefined;
  if (store.find(name) !== undefined) return true;
  const keys = engine.settings.registry.flatMap((entry) => parseModelName(entry) ?? []).map(canonicalKey);
  return keys.includes(canonicalKey(id));
}

/** POST /api/push. */
export async function push(exchange: Exchange, { store }: Deps): Promise<void> {
  const fields = decodeNative(exchange, "api.PushRequest", transferFields);
  const requested = String(fields.model || fields.name || "");
  if (requested === "") throw new Refusal(400, "model is required");
  await report(exchange, fields.stream !== false, pushing(store.find(requested)));
}

async function* pushing(model: StoredModel | undefined): AsyncGenerator<Progress> {
  yield { status: "retrieving manifest" };
  if (model === undefined) {
    yield { status: "couldn't retrieve manifest" };
    yield { error: "file does not exist" };
    return;
  }
  const digest = `sha256:${sha256(`layer of ${model.name}`)}`;
  const layer = { status: `pushing ${digest.slice(7, 19)}`, digest, total: model.size };
  yield layer;
  yield { ...layer, completed: model.size };
  yield { status: "pushing manifest" };
  yield { status: "success" };
}

/** POST /api/create. */
export async function create(exchange: Exchange, deps: Deps): Promise<void> {
  const fields = decodeNative(exchange, "api.CreateRequest", {
    model: "string",
    name: "string",
    from: "string",
    files: "object",
    stream: "bool",
    system: "string",
    template: "string",
    parameters: "object",
    messages: "array",
  });
  const requested = String(fields.model || fields.name || "");
  if (parseModelName(requested) === undefined) throw new Refusal(400, "invalid model name");
  const from = String(fields.from ?? "");
  const files = isObject(fields.files) ? Object.entries(fields.files) : [];
  if (from === "" && files.length === 0) throw new Refusal(400, "neither 'from' or 'files' was specified");
  for (const [name, digest] of files) {
    if (name.startsWith("/") || name.split("/").includes("..")) throw new Refusal(400, "file path must be relative");
    if (!blobDigest.test(String(digest))) throw new Refusal(400, "invalid digest format");
  }
  await report(
    exchange,
    fields.stream !== false,
    creating(
      exchange,
      deps,
      requested,
      from,
      files.map(([, it]) => String(it)),
    ),
  );
}

async function* creating(
  exchange: Exchange,
  deps: Deps,
  name: string,
  from: string,
  digests: string[],
): AsyncGenerator<Progress> {
  if (from !== "" && deps.store.find(from) === undefined) {
    // A node that lacks the model it is to build on pulls it first; only the last line of that pull is left out.
    for await (const progress of pulling(exchange, deps, from)) {
      if ("error" in progress || progress.status !== "success") yield progress;
      if ("error" in progress) return;
    }
  }
  if (from === "") yield { status: "parsing GGUF" };
  const base = deps.store.find(from);
  const layers = base === undefined ? digests : [sha256(`layer of ${base.name}`)];
  for (const digest of layers) yield { status: `using existing layer sha256:${digest.replace(/^sha256[:-]/, "")}` };
  yield { status: `creating new layer sha256:${sha256(`config of ${name}`)}` };
  yield { status: "writing manifest" };
  const { id: _, name: __, modifiedAt: ___, digest: ____, ...inherited } = base ?? completeModel(name, 0);
  deps.store.add({ ...inherited, name, digest: sha256(`${name} ${layers.join(" ")}`) }, Date.now());
  yield { status: "success" };
}

/** POST /api/copy. */
export async function copy(exchange: Exchange, { store }: Deps): Promise<void> {
  const fields = decodeNative(exchange, "api.CopyRequest", { source: "string", destination: "string" });
  const source = String(fields.source ?? "");
  const destination = String(fields.destination ?? "");
  for (const [field, name] of [
    ["source", source],
    ["destination", destination],
  ] as const) {
    if (parseModelName(name) === undefined) throw new Refusal(400, `${field} ${JSON.stringify(name)} is invalid`);
  }
  const model = store.find(source);
  if (model === undefined) throw new Refusal(404, `model ${JSON.stringify(source)} not found`);
  const { id: _, name: __, modifiedAt: ___, ...same } = model;
  store.add({ ...same, name: destination }, Date.now());
  await exchange.send(200, {}, "");
}

/** DELETE /api/delete; a model in memory stays there, as in Ollama. */
export async function remove(exchange: Exchange, { store }: Deps): Promise<void> {
  const fields = decodeNative(exchange, "api.DeleteRequest", { model: "string", name: "string" });
  const requested = String(fields.model || fields.name || "");
  if (requested === "") throw new Refusal(400, "model is required");
  if (parseModelName(requested) === undefined) throw new Refusal(400, `name ${JSON.stringify(requested)} is invalid`);
  const model = store.find(requested);
  if (model === undefined) throw new Refusal(404, `model '${requested}' not found`);
  store.remove(model);
  await exchange.send(200, {}, "");
}

const blobDigest = /^sha256[:-][0-9a-f]{64}$/;

/** HEAD /api/blobs/:digest. */
export async function headBlob(exchange: Exchange, { store }: Deps, digest: string): Promise<void> {
  const status = !blobDigest.test(digest) ? 400 : store.hasBlob(digest) ? 200 : 404;
  await exchange.send(status, {}, "");
}

/** POST /api/blobs/:digest. */
export async function putBlob(exchange: Exchange, { store }: Deps, digest: string): Promise<void> {
  if (!blobDigest.test(digest)) throw new Refusal(400, "invalid digest format");
  if (store.hasBlob(digest)) return exchange.send(200, {}, "");
  const wanted = `sha256:${digest.slice(7)}`;
  const got = `sha256:${sha256(exchange.request.body)}`;
  if (got !== wanted) throw new Refusal(400, `digest mismatch, expected "${wanted}", got "${got}"`);
  store.addBlob(digest);
  await exchange.send(201, {}, "");
}

/** POST /api/me: a stand-in is never signed in. */
export async function me(exchange: Exchange): Promise<void> {
  const body = { error: "unauthorized", signin_url: "https://ollama.com/connect?name=stand-in&key=stand-in" };
  await exchange.send(401, jsonHeaders, goJson(body));
}

/** POST /api/signout. */
export async function signout(): Promise<void> {
  throw new Refusal(401, "you are not currently signed in");
}

/** A route of the cloud service's: a stand-in has none. */
export function noCloud(feature: string): () => Promise<void> {
  return async () => {
    throw new Refusal(403, `ollama cloud is disabled: ${feature} is unavailable`);
  };
}

/** Lines as they come, or for `stream:false` their end: success, or 500 with the error. */
async function report(exchange: Exchange, stream: boolean, steps: AsyncGenerator<Progress>): Promise<void> {
  if (stream) await exchange.start(200, ndjsonHeaders);
  for await (const progress of steps) {
    if (stream) await exchange.write(`${goJson(progress)}\n`);
    else if ("error" in progress) throw new Refusal(500, progress.error, "stream");
  }
  if (stream) await exchange.end();
  else await exchange.send(200, { "Content-Type": "application/json" }, goJson({ status: "success" }));
}
