/** What stands once in the document for all routes: the introduction, headers, the parameter most of them take. */
import type { HeaderName } from "./operation.ts";

const PARAGRAPHS = [
  "Several machines with Ollama, behind one address. Every program that knows how to talk to one Ollama, to OpenAI " +
    "or to Anthropic works with this hub when it is given the hub's address.",
  "Bodies are JSON whatever `Content-Type` says, except where another type is named. Names of models are as in " +
    "Ollama: `llama3.2` means `llama3.2:latest`, in upper or lower case.",
  "Everybody in the hub's own network may use it until it has its first API key (`ollama-hub key add`, `API_KEYS`). From " +
    "then on it asks for one: 401 without, 403 where the key is not for that, 429 with `Retry-After` and `RateLimit-*` " +
    "where it has taken its part. An open hub answers 401 to other networks and to proxies, 421 to a name it does not " +
    "know. Each of these is worded as the route's own errors are.",
  "A route that is not here answers 404 with the text `404 page not found`, a wrong method 405 with `Allow`, one " +
    "slash too many at the end a redirect. A page of another origin that `OLLAMA_ORIGINS` does not allow gets an " +
    "empty 403 on every route.",
  "Streams come as lines of JSON (`application/x-ndjson`) or as events (`text/event-stream`); the schema given for " +
    "them is that of one line, or of the `data` of one event.",
];

/** CommonMark, of which the page knows paragraphs and code. */
export const INTRODUCTION = PARAGRAPHS.join("\n\n");

const HEADERS: Readonly<Record<HeaderName, { description: string; schema: object }>> = {
  "X-Request-Id": {
    description: "The request's id, under which `GET /logs` and the hub's own log have its story.",
    schema: { type: "string", format: "uuid" },
  },
  "X-Node-Id": {
    description:
      "The node that answered; several, with commas between, where several had a part. Missing where the hub " +
      "itself did.",
    schema: { type: "string" },
  },
  "X-Attempts": { description: "How many nodes were tried.", schema: { type: "integer", minimum: 0 } },
  "X-Queue-Position": {
    description:
      "Only where the request had to wait for a free slot: its place among those who waited for the model when it " +
      "came. 1 is next.",
    schema: { type: "integer", minimum: 1 },
  },
  "Retry-After": { description: "Seconds after which a try is worth it.", schema: { type: "integer", minimum: 1 } },
  "X-Hub-Boot-Id": {
    description: "Changes when the hub was restarted.",
    schema: { type: "string", format: "uuid" },
  },
};

const PIN = { name: "X-Node-Id", in: "header", required: false, schema: { type: "string" }, example: "gaming-pc" };

/** Parts of `components` beside the schemas. */
export const COMMON = {
  headers: HEADERS,
  parameters: {
    NodeId: {
      ...PIN,
      description:
        "Id of the node that shall serve the request, and no other. 404 where it is not there or has not got the " +
        "model.",
    },
    NodeIdOrAll: {
      ...PIN,
      description:
        "Id of the node that shall do it, and no other; `*` is every node that is there. 404 where there is no " +
        "such node.",
    },
  },
};
