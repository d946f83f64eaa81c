/** The fields of a request's body, whatever it is packed in: JSON, compressed JSON, or a form. */
import { zstdDecompressSync } from "node:zlib";
import { skimJson } from "./skim.ts";

/** What was found in a body: usually an object, undefined where nothing could be read. */
export type Fields = unknown;

/** Bytes after unpacking; Ollama's own limit for compressed requests. */
const LARGEST_UNPACKED = 20 * 1024 * 1024;

/** The one route that takes a form instead of JSON. */
const TRANSCRIPTIONS = "/v1/audio/transcriptions";

/**
 * Reads what is in `bytes`, a body for Ollama's route `path`. Labels count only where they do for Ollama, or the hub and
 * Ollama would read different things. Never throws: Ollama itself judges what cannot be read here.
 */
export async function readFields(bytes: Uint8Array<ArrayBuffer>, headers: Headers, path = ""): Promise<Fields> {
  if (path === TRANSCRIPTIONS) return readForm(bytes, headers.get("content-type") ?? "");
  const zstd = path.startsWith("/v1/") && /^zstd$/i.test(headers.get("content-encoding") ?? "");
  if (!zstd) return skimJson(bytes);
  try {
    return skimJson(zstdDecompressSync(bytes, { maxOutputLength: LARGEST_UNPACKED }));
  } catch {
    return undefined;
  }
}

async function readForm(bytes: Uint8Array<ArrayBuffer>, type: string): Promise<Fields> {
  try {
    const form = await new Response(bytes, { headers: { "content-type": type } }).formData();
    // Of fields of one name Go takes the first; and names of form fields mind their case.
    const fields = Array.from(form.entries())
      .filter(([name]) => name === name.toLowerCase())
      .map(([name, value]) => [name, typeof value === "string" ? value : `(${value.size} bytes)`]);
    return Object.fromEntries(fields.reverse());
  } catch {
    return undefined;
  }
}
