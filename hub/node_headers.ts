/** Which headers of a node's answer a client gets: those that Ollama sets, with values that Ollama gives them. */
import { headersToPassOn } from "../shared/http_headers.ts";

/** Nothing among them that a browser runs. */
const CONTENT_TYPE = /^(application\/json|application\/x-ndjson|text\/event-stream|text\/plain)(; ?charset=utf-8)?$/i;
const ANY_BYTES = "application/octet-stream";
/** What Ollama says of its streams of events, and of nothing else. */
const CACHE_CONTROL = "no-cache";

/**
 * Those of `from`; what is labelled otherwise is labelled as bytes. A node may be anything that answers at its address: a
 * page out of it would run on the hub's own origin, and one that may be kept would do so for as long as it likes.
 */
export function headersFromNode(from: Headers): Headers {
  const headers = headersToPassOn(from);
  const type = headers.get("content-type");
  if (type !== null && !CONTENT_TYPE.test(type)) headers.set("content-type", ANY_BYTES);
  if (headers.get("cache-control") !== CACHE_CONTROL) headers.delete("cache-control");
  return headers;
}
