/** The fields of a request's body, whatever it is packed in: JSON, compressed JSON, or a form. */
import type { BodyBudget } from "../body_budget.ts";
import { skimJson } from "../skim_json.ts";
import { readForm } from "./form_fields.ts";
import { readUnpacked } from "./unpack.ts";

/** Levels of a body; what programs send has fewer than twenty. */
export const DEEPEST_BODY = 64;

/** What is said of a body with more of them. */
export const NESTED_TOO_DEEPLY = "The body is nested too deeply";

/**
 * What was found in a body: usually an object, undefined where nothing could be read, TOO_DEEP where nobody should, and
 * NO_ROOM where the hub cannot now.
 */
export type Fields = unknown;

/** For which of Ollama's routes a body is read, and what is needed for it where bodies there may be compressed. */
export interface ReadFor {
  readonly path: string;
  readonly budget: BodyBudget;
  /** Aborted when nobody wants to know any more. */
  readonly signal: AbortSignal;
}

/** The one route that takes a form instead of JSON. */
export const TRANSCRIPTIONS = "/v1/audio/transcriptions";

/** Fields of Ollama's requests that the hub reads. */
const TEXTS = new Set(["model", "name", "prompt", "system", "from", "source", "destination"]);
const KNOWN = new Set([
  ...TEXTS,
  "stream",
  "keep_alive",
  "messages",
  "options",
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
 * Reads what is in `bytes`, a body for the route `on`; without it, for one that takes JSON alone. Labels count only where
 * they do for Ollama, and names are found in the order and case in which Go finds them, or the hub and Ollama would read
 * different things. Never throws: Ollama itself judges what cannot be read here.
 */
export async function readFields(bytes: Uint8Array, headers: Headers, on?: ReadFor): Promise<Fields> {
  if (on?.path === TRANSCRIPTIONS) return readForm(bytes, headers.get("content-type") ?? "");
  const read = (json: Uint8Array) => skimJson(json, { known: KNOWN, texts: TEXTS, deepest: DEEPEST_BODY });
  const isPacked = /^zstd$/i.test(headers.get("content-encoding") ?? "");
  return isPacked && on?.path.startsWith("/v1/") ? readUnpacked(bytes, read, on.budget, on.signal) : read(bytes);
}
