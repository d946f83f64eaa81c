// What all /v1 routes share: decoding, the job that comes of a request, content parts.
import type { Job } from "./fake_ollama_engine.ts";
import { type Exchange, headerOf } from "./fake_ollama_http.ts";
import { decodeObject, isObject, type JsonObject, Refusal } from "./fake_ollama_json.ts";
import type { StoredModel } from "./fake_ollama_models.ts";

/** Headers of a whole /v1 answer: no charset. */
export const v1JsonHeaders = { "Content-Type": "application/json" };
const maxDecompressedBytes = 20 << 20;

/** A /v1 request's fields; its own errors come before the rewriting writer, hence stage "validation". */
export function decodeV1(exchange: Exchange, struct: string, spec: Parameters<typeof decodeObject>[2]): JsonObject {
  try {
    return decodeObject(plainBody(exchange), struct, spec);
  } catch (error) {
    throw error instanceof Refusal ? new Refusal(error.status, error.message, "validation") : error;
  }
}

/** The body, decompressed when it says zstd: only these routes accept it. */
function plainBody({ request }: Exchange): Uint8Array {
  if (headerOf(request, "content-encoding")?.toLowerCase() !== "zstd") return request.body;
  const plain = Bun.zstdDecompressSync(request.body);
  if (plain.length > maxDecompressedBytes) throw new Refusal(400, "http: request body too large");
  return plain;
}

/** Fields the OpenAI and Anthropic jobs share; `max_tokens` absent or not positive means the stand-in's default. */
export function baseJob(
  fields: JsonObject,
  model: StoredModel,
  prompt: string,
  arrivedAt: number,
): Omit<Job, "thinking"> {
  const limit = Number(fields.max_tokens ?? fields.max_output_tokens ?? 0);
  return {
    model,
    requested: String(fields.model ?? ""),
    prompt,
    seed: Number(fields.seed ?? 0),
    stream: fields.stream === true,
    numPredict: limit > 0 ? limit : undefined,
    keepAliveMs: undefined,
    arrivedAt,
  };
}

/** @throws Refusal 400 for a model that only embeds. */
export function requireCompletion(model: StoredModel, requested: string, route: "chat" | "generate"): void {
  if (model.capabilities.includes("completion")) return;
  throw new Refusal(400, `${JSON.stringify(requested)} does not support ${route}`);
}

/** Text of a content field: a string, or an array of parts. @throws Refusal 400 for an image that is a web address. */
export function contentText(content: unknown): string {
  if (!Array.isArray(content)) return typeof content === "string" ? content : "";
  const parts = content.filter(isObject);
  for (const { image_url } of parts) {
    const url = isObject(image_url) ? image_url.url : image_url;
    if (url !== undefined && !String(url).startsWith("data:")) {
      throw new Refusal(
        400,
        "image URLs are not currently supported, please use base64 encoded data instead",
        "validation",
      );
    }
  }
  return parts.map((part) => String(part.text ?? "")).join("");
}
