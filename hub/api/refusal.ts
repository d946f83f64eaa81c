/** The hub's no before a route has seen the request, in the shape of the route's family. */
import { anthropicError } from "../faces/anthropic.ts";
import { nativeError } from "../faces/native.ts";
import { openAiError } from "../faces/openai.ts";
import type { HubAnswer } from "../job.ts";
import { familyOf } from "../policy/roles.ts";

/** The answer to a request for `path`. */
export function refusalFor(
  path: string,
  status: number,
  sentence: string,
  more: Readonly<Record<string, string>> = {},
): Response {
  const { contentType, text } = worded(path, status, sentence);
  const headers = new Headers({ "content-type": contentType, ...more });
  // What a browser shows for `Basic` is a window for a password; for this it is nothing.
  if (status === 401) headers.set("www-authenticate", 'Bearer realm="Ollama Connector"');
  return new Response(text, { status, headers });
}

function worded(path: string, status: number, sentence: string): HubAnswer {
  switch (familyOf(path)) {
    case "native":
      return nativeError(status, sentence);
    case "openai":
      return openAiError(status, sentence);
    case "anthropic":
      return anthropicError(crypto.randomUUID(), status, sentence);
    case "hub":
      return { status, contentType: "application/json", text: JSON.stringify({ detail: sentence }) };
  }
}
