/** Fields of an object in a body found as Ollama's decoder finds them: whatever the case of their names. */
import { fold } from "../skim_json.ts";

/** The value of field `name` (lower case) of `json`, or undefined where there is none or `json` is no object. */
export function goField(json: unknown, name: string): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  let found: unknown;
  for (const [key, value] of Object.entries(json)) if (fold(key) === name) found = value;
  return found;
}
