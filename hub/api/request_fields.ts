/** The fields of a request's body, whatever it is packed in: JSON, compressed JSON, or a form. */
import { createZstdDecompress } from "node:zlib";
import { skimJson } from "../skim_json.ts";
import { readForm } from "./form_fields.ts";

/** Levels of a body; what programs send has fewer than twenty. */
export const DEEPEST_BODY = 64;

/** What is said of a body with more of them. */
export const NESTED_TOO_DEEPLY = "The body is nested too deeply";

/** What was found in a body: usually an object, undefined where nothing could be read, TOO_DEEP where nobody should. */
export type Fields = unknown;

/** Bytes after unpacking; Ollama's own limit for compressed requests. */
const LARGEST_UNPACKED = 20 * 1024 * 1024;

/** The one route that takes a form instead of JSON. */
const TRANSCRIPTIONS = "/v1/audio/transcriptions";

/** Fields of Ollama's requests that the hub reads. */
const TEXTS = new Set(["model", "name", "prompt", "system", "from", "source", "destination"]);
const KNOWN = new Set([
  ...TEXTS,
  "stream",
  "keep_alive",
  "messages",
  "input",
  "instructions",
  "context",
  "files",
  "adapters",
  "draft_files",
]);

/** True for a body that Ollama's route `path` reads as a form. */
export function isForm(path: string, headers: Headers): boolean {
  return path === TRANSCRIPTIONS && /^multipart\/form-data/i.test(headers.get("content-type") ?? "");
}

/**
 * Reads what is in `bytes`, a body for Ollama's route `path`. Labels count only where they do for Ollama, and names are
 * found in the order and case in which Go finds them, or the hub and Ollama would read different things. Never throws:
 * Ollama itself judges what cannot be read here.
 */
export async function readFields(bytes: Uint8Array<ArrayBuffer>, headers: Headers, path = ""): Promise<Fields> {
  if (path === TRANSCRIPTIONS) return readForm(bytes, headers.get("content-type") ?? "");
  const zstd = path.startsWith("/v1/") && /^zstd$/i.test(headers.get("content-encoding") ?? "");
  return skimJson(zstd ? await unpack(bytes) : bytes, { known: KNOWN, texts: TEXTS, deepest: DEEPEST_BODY });
}

/** As much of it as Ollama would read: it stops at the end of the object, whatever comes after, whole or broken. */
function unpack(bytes: Uint8Array): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  return new Promise((resolve) => {
    const unpacked = createZstdDecompress();
    const end = () => resolve(Buffer.concat(pieces));
    unpacked.on("data", (piece: Uint8Array) => {
      pieces.push(piece);
      size += piece.byteLength;
      if (size > LARGEST_UNPACKED) unpacked.destroy();
    });
    // Broken further on or not: what came before counts.
    unpacked.on("error", end).on("close", end).end(bytes);
  });
}
