/** What a node's error answer says, in Ollama's words or its agent's; of anything else that answers there nothing is shown. */
import { parseJsonBytes } from "../shared/json.ts";
import { errorIn } from "./faces/answer_body.ts";

/** The routers of Ollama and of the agent say only this in plain text. */
const PLAIN = /^(404 page not found|405 method not allowed|Not found: [A-Z]+ \S{1,200})$/;
const LONGEST_PLAIN = 300;

/** The words of an error answer; null where its body is none of Ollama's or an agent's. */
export function wordsIn(body: Uint8Array): string | null {
  const json = parseJsonBytes(body);
  const words = errorIn(json) ?? detailIn(json);
  if (words !== null || body.byteLength > LONGEST_PLAIN) return words;
  const text = new TextDecoder().decode(body).trim();
  return PLAIN.test(text) ? text : null;
}

/** The text under `detail` of `json`, which is how an agent words what it says itself; null where there is none. */
export function detailIn(json: unknown): string | null {
  if (typeof json !== "object" || json === null || !("detail" in json)) return null;
  return typeof json.detail === "string" ? json.detail : null;
}

/**
 * What is said of an answer without such words. An address of a node may be another service's, whose pages are nothing for
 * those who ask for models.
 */
export function withoutWords(status: number): string {
  return `the node answered ${status}`;
}

/** True for a status that HTTP has and an answer can be given with. */
export function isStatus(status: number): boolean {
  return status >= 200 && status <= 599;
}

/** What is said of an answer whose status is none. */
export function noStatus(status: number): string {
  return `what answers there is no Ollama: HTTP has no status ${status}`;
}
