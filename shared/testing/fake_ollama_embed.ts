// The routes that make vectors of texts: /api/embed, the old /api/embeddings, /v1/embeddings.
import { type Deps, decodeNative, jobOf, jsonHeaders, requireModel } from "./fake_ollama_checks.ts";
import type { Job } from "./fake_ollama_engine.ts";
import type { Exchange } from "./fake_ollama_http.ts";
import { goJson, omitEmpty, Refusal } from "./fake_ollama_json.ts";
import { displayName, requireModelName } from "./fake_ollama_models.ts";
import { nanoseconds, parseKeepAlive } from "./fake_ollama_time.ts";
import { embeddingOf, promptTokens } from "./fake_ollama_tokens.ts";
import { baseJob, decodeV1, v1JsonHeaders } from "./fake_ollama_v1.ts";

/** POST /api/embed. */
export async function embed(exchange: Exchange, { engine, store }: Deps): Promise<void> {
  const arrivedAt = performance.now();
  const fields = decodeNative(exchange, "api.EmbedRequest", {
    model: "string",
    input: "any",
    truncate: "bool",
    dimensions: "int",
    keep_alive: "any",
    options: "object",
  });
  const keepAliveMs = parseKeepAlive(fields.keep_alive);
  const requested = String(fields.model ?? "");
  if (requested === "") throw new Refusal(404, "model '' not found");
  const inputs = embedInputs(fields.input);
  const model = requireModel(store, requested, `model ${JSON.stringify(requested)} not found, try pulling it first`);
  if (inputs.length === 0) {
    await engine.loadOnly(exchange, model, requested, keepAliveMs);
    return exchange.send(200, jsonHeaders, goJson({ model: requested, embeddings: [] }));
  }
  const job = jobOf({}, { model, requested, prompt: inputs.join("\n"), keepAliveMs, arrivedAt });
  await engine.compute(exchange, job, 400, (loadMs) => {
    const dimensions = typeof fields.dimensions === "number" && fields.dimensions > 0 ? fields.dimensions : undefined;
    const body = {
      model: requested,
      embeddings: inputs.map((text) => embeddingOf(text, dimensions ?? model.embeddingLength, true)),
      total_duration: omitEmpty(nanoseconds(performance.now() - arrivedAt)),
      load_duration: omitEmpty(nanoseconds(loadMs)),
      prompt_eval_count: inputs.reduce((sum, text) => sum + promptTokens(text), 0),
    };
    return { headers: jsonHeaders, body: goJson(body) };
  });
}

/** POST /api/embeddings, the old form. */
export async function embeddings(exchange: Exchange, { engine, store }: Deps): Promise<void> {
  const arrivedAt = performance.now();
  const spec = { model: "string", prompt: "string", keep_alive: "any", options: "object" } as const;
  const fields = decodeNative(exchange, "api.EmbeddingRequest", spec);
  const keepAliveMs = parseKeepAlive(fields.keep_alive);
  const requested = String(fields.model ?? "");
  if (requested === "") throw new Refusal(400, "model is required");
  const notFound = `model ${JSON.stringify(requested)} not found, try pulling it first`;
  const model = requireModel(store, requested, notFound);
  // The one inference route that minds the case of the name.
  if (displayName(requireModelName(requested)) !== model.name) throw new Refusal(404, notFound);
  const prompt = String(fields.prompt ?? "");
  if (prompt === "") {
    await engine.loadOnly(exchange, model, requested, keepAliveMs);
    return exchange.send(200, jsonHeaders, goJson({ embedding: [] }));
  }
  const job = jobOf({}, { model, requested, prompt, keepAliveMs, arrivedAt });
  await engine.compute(exchange, job, 500, () => {
    return { headers: jsonHeaders, body: goJson({ embedding: embeddingOf(prompt, model.embeddingLength, false) }) };
  });
}

/** POST /v1/embeddings. */
export async function v1Embeddings(exchange: Exchange, { engine, store }: Deps): Promise<void> {
  const arrivedAt = performance.now();
  const fields = decodeV1(exchange, "openai.EmbedRequest", {
    model: "string",
    input: "any",
    dimensions: "int",
    encoding_format: "string",
  });
  const { input } = fields;
  const inputs = (typeof input === "string" ? [input] : Array.isArray(input) ? input : []).map(String);
  if (inputs.length === 0) throw new Refusal(400, "invalid input", "validation");
  const encoding = fields.encoding_format ?? "float";
  if (encoding !== "float" && encoding !== "base64") {
    const text = `Invalid value for 'encoding_format' = ${encoding}. Supported values: ['float', 'base64'].`;
    throw new Refusal(400, text, "validation");
  }
  const requested = String(fields.model ?? "");
  if (requested === "") throw new Refusal(404, "model '' not found");
  const model = requireModel(store, requested, `model ${JSON.stringify(requested)} not found, try pulling it first`);
  const dimensions = Number(fields.dimensions ?? 0) || model.embeddingLength;
  const job: Job = { ...baseJob({}, model, inputs.join("\n"), arrivedAt), requested, thinking: false };
  await engine.compute(exchange, job, 400, () => {
    const entries = inputs.map((text, index) => {
      const vector = embeddingOf(text, dimensions, true);
      const bytes = Buffer.from(new Float32Array(vector).buffer);
      return { object: "embedding", embedding: encoding === "base64" ? bytes.toString("base64") : vector, index };
    });
    const tokens = inputs.reduce((sum, text) => sum + promptTokens(text), 0);
    const usage = { prompt_tokens: tokens, total_tokens: tokens };
    return { headers: v1JsonHeaders, body: `${goJson({ object: "list", data: entries, model: requested, usage })}\n` };
  });
}

/** @throws Refusal 400 for anything but a string or an array of strings. */
function embedInputs(input: unknown): string[] {
  if (input === undefined || input === "") return [];
  if (typeof input === "string") return [input];
  if (!Array.isArray(input) || input.some((item) => typeof item !== "string")) {
    throw new Refusal(400, "invalid input type");
  }
  return input.map(String);
}
