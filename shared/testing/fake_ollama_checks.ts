// What a native request may say: decoding, the checks of Ollama in their order, and the job that comes of it.
import type { Engine, Job } from "./fake_ollama_engine.ts";
import type { Exchange } from "./fake_ollama_http.ts";
import { decodeObject, goJson, isObject, type JsonObject, Refusal } from "./fake_ollama_json.ts";
import { isCloudName, type ModelStore, requireModelName, type StoredModel } from "./fake_ollama_models.ts";

/** What every route works with. */
export interface Deps {
  engine: Engine;
  store: ModelStore;
}

export const jsonHeaders = { "Content-Type": "application/json; charset=utf-8" };
export const ndjsonHeaders = { "Content-Type": "application/x-ndjson" };

/** A native request's fields. @throws Refusal 400: empty body, broken JSON or a wrong type, in Ollama's words. */
export function decodeNative(exchange: Exchange, struct: string, spec: Parameters<typeof decodeObject>[2]): JsonObject {
  try {
    return decodeObject(exchange.request.body, struct, spec);
  } catch (error) {
    if (error instanceof Refusal && error.message === "EOF") throw new Refusal(400, "missing request body");
    throw error;
  }
}

export interface ChatMessage {
  role: string;
  content: string;
}

/** The model a request names. @throws Refusal 400, 403 or 404 in Ollama's order. */
export function requireModel(
  store: ModelStore,
  requested: string,
  notFound = `model '${requested}' not found`,
): StoredModel {
  requireModelName(requested);
  if (isCloudName(requested)) throw new Refusal(403, "ollama cloud is disabled: remote model is unavailable");
  const model = store.find(requested);
  if (model === undefined) throw new Refusal(404, notFound);
  return model;
}

export function checkModelFor(
  route: "generate" | "chat",
  fields: JsonObject,
  model: StoredModel,
  requested: string,
): void {
  const wantsThinking = fields.think === true || typeof fields.think === "string";
  if (wantsThinking && !model.capabilities.includes("thinking")) {
    throw new Refusal(400, `${JSON.stringify(requested)} does not support thinking`);
  }
  if (!model.capabilities.includes("completion")) {
    throw new Refusal(400, `${JSON.stringify(requested)} does not support ${route}`);
  }
  const top = fields.top_logprobs;
  if (typeof top === "number" && (top < 0 || top > 20)) {
    throw new Refusal(400, "top_logprobs must be between 0 and 20");
  }
  checkOptions(fields.options);
  checkFormat(fields.format, fields.stream !== false);
}

function checkFormat(format: unknown, stream: boolean): void {
  const known = format === undefined || format === "" || format === "json" || isObject(format);
  if (known) return;
  const text = `invalid format: ${goJson(format)}; expected "json" or a valid JSON Schema object`;
  throw new Refusal(500, text, stream ? "stream" : "handler");
}

function checkOptions(options: unknown): void {
  if (!isObject(options)) return;
  const integers = [
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "num_keep",
    "seed",
    "num_predict",
    "top_k",
  ];
  for (const name of integers) {
    const value = options[name];
    if (value !== undefined && value !== null && typeof value !== "number") {
      throw new Refusal(500, `option "${name}" must be of type integer`);
    }
  }
}

export function checkThink(think: unknown): void {
  if (think === undefined || typeof think === "boolean") return;
  if (["low", "medium", "high", "max"].includes(String(think))) return;
  const text = `invalid think value: ${JSON.stringify(think)} (must be "high", "medium", "low", "max", true, or false)`;
  throw new Refusal(400, text);
}

export function checkImages(images: unknown): void {
  for (const image of Array.isArray(images) ? images : []) {
    const bad = /[^A-Za-z0-9+/=\r\n]/.exec(String(image));
    const odd = String(image).replace(/[\r\n]/g, "").length % 4 !== 0;
    if (bad !== null || odd) {
      throw new Refusal(400, `illegal base64 data at input byte ${bad?.index ?? String(image).length & ~3}`);
    }
  }
}

/** Messages as text; the role lower-cased. @throws Refusal 400 for a wrong type or a bad image. */
export function messagesOf(value: unknown): ChatMessage[] {
  return (Array.isArray(value) ? value : []).map((message) => {
    if (!isObject(message)) {
      throw new Refusal(
        400,
        `json: cannot unmarshal ${typeof message} into Go struct field ChatRequest.messages of type api.Message`,
      );
    }
    for (const field of ["role", "content"]) {
      const got = message[field];
      if (got !== undefined && got !== null && typeof got !== "string") {
        const kind = Array.isArray(got) ? "array" : typeof got === "boolean" ? "bool" : typeof got;
        throw new Refusal(
          400,
          `json: cannot unmarshal ${kind} into Go struct field ChatRequest.messages.${field} of type string`,
        );
      }
    }
    checkImages(message.images);
    return { role: String(message.role ?? "").toLowerCase(), content: String(message.content ?? "") };
  });
}

/** The functions of a `tools` array, native or OpenAI shape. */
export function toolsOf(value: unknown): { name: string; parameters: unknown }[] {
  return (Array.isArray(value) ? value : []).flatMap((tool) => {
    const described = isObject(tool) && isObject(tool.function) ? tool.function : undefined;
    return described === undefined ? [] : [{ name: String(described.name ?? ""), parameters: described.parameters }];
  });
}

type JobBase = Pick<Job, "model" | "requested" | "prompt" | "keepAliveMs" | "arrivedAt">;

/** A job from the fields generate and chat share. */
export function jobOf(fields: JsonObject, base: JobBase): Job {
  const options: JsonObject = isObject(fields.options) ? fields.options : {};
  const thinks = base.model.capabilities.includes("thinking") && fields.think !== false;
  const numPredict =
    typeof options.num_predict === "number" && options.num_predict > 0 ? options.num_predict : undefined;
  return {
    ...base,
    seed: typeof options.seed === "number" ? options.seed : 0,
    stream: fields.stream !== false,
    numPredict,
    thinking: thinks,
    format: fields.format === "" ? undefined : fields.format,
  };
}
