/** Ollama's routes about a node's account at ollama.com, described. */
import { z } from "zod";
import { nativeError, REFUSED_HEADERS, SERVED_HEADERS } from "./errors.ts";
import type { Answer, Answers, Chapter } from "./operation.ts";

const user = z.looseObject({ id: z.string().optional(), name: z.string().optional(), email: z.string().optional() });

const notSignedIn = nativeError.extend({
  signin_url: z.string().optional().describe("Where a person signs this node in."),
});

const searchRequest = z.looseObject({ query: z.string(), max_results: z.int().optional() });
const fetchRequest = z.looseObject({ url: z.string() });

const refusal = (description: string, error: string, headers = SERVED_HEADERS): Answer => ({
  description,
  headers,
  content: { "application/json": nativeError },
  example: { error },
});

const answered = (description: string, schema: z.ZodType): Answer => ({
  description,
  headers: SERVED_HEADERS,
  content: { "application/json": schema },
});

const SIGNED_OUT: Answer = {
  description: "The node is not signed in, or no node is there.",
  headers: SERVED_HEADERS,
  content: { "application/json": notSignedIn },
  example: { error: "unauthorized", signin_url: "https://ollama.com/connect?name=gaming-pc&key=c3No" },
};

const ERRORS: Answers = {
  400: refusal(
    "`X-Node-Id` is `*`.",
    "an account belongs to one node: name it in X-Node-Id instead of *",
    REFUSED_HEADERS,
  ),
  401: SIGNED_OUT,
  404: refusal(
    "`X-Node-Id` names no node.",
    'there is no node "attic" (X-Node-Id): no node has joined this hub',
    REFUSED_HEADERS,
  ),
  500: refusal("It went wrong on the node.", "there was an error signing out"),
  503: refusal("The node cannot be reached, or ollama.com cannot from there.", "account unavailable"),
};

const OWN =
  "Every node has an account of its own: asked is the one that `X-Node-Id` names, else the one where models are " +
  "put first.";

export const ACCOUNT: Chapter = {
  schemas: { User: user, NotSignedIn: notSignedIn, WebSearchRequest: searchRequest, WebFetchRequest: fetchRequest },
  operations: [
    {
      method: "POST",
      path: "/api/me",
      id: "getUser",
      tag: "Account",
      summary: "Who is signed in?",
      description: OWN,
      pin: "NodeId",
      answers: {
        200: answered("The account.", user),
        ...ERRORS,
      },
    },
    {
      method: "POST",
      path: "/api/signout",
      id: "signOut",
      tag: "Account",
      summary: "Sign a node out",
      description: OWN,
      pin: "NodeId",
      answers: {
        200: answered("Done.", z.null()),
        ...ERRORS,
      },
    },
    {
      method: "DELETE",
      path: "/api/user/keys/:encodedKey",
      id: "deleteKey",
      tag: "Account",
      summary: "Sign a node out, the old form",
      description: OWN,
      pin: "NodeId",
      parameters: [
        {
          in: "path",
          name: "encodedKey",
          description: "The node's public key, as base64.",
          schema: z.string(),
          example: "a2V5",
        },
      ],
      answers: {
        200: answered("Done.", z.null()),
        ...ERRORS,
      },
    },
    {
      method: "POST",
      path: "/api/experimental/web_search",
      id: "searchWeb",
      tag: "Account",
      summary: "Search the web by ollama.com",
      description: `Leaves your machines, so it is off unless \`ALLOW_CLOUD\` is on. ${OWN}`,
      pin: "NodeId",
      request: {
        schema: searchRequest,
        examples: { search: { summary: "A search", value: { query: "why is the sky blue" }, status: 403 } },
      },
      answers: {
        ...ERRORS,
        200: answered("What ollama.com found.", z.record(z.string(), z.unknown())),
        403: refusal("`ALLOW_CLOUD` is off.", "ollama cloud is disabled: web search is unavailable", REFUSED_HEADERS),
      },
    },
    {
      method: "POST",
      path: "/api/experimental/web_fetch",
      id: "fetchWeb",
      tag: "Account",
      summary: "Fetch a page of the web by ollama.com",
      description: `Leaves your machines, so it is off unless \`ALLOW_CLOUD\` is on. ${OWN}`,
      pin: "NodeId",
      request: {
        schema: fetchRequest,
        examples: { fetch: { summary: "A page", value: { url: "https://example.com" }, status: 403 } },
      },
      answers: {
        ...ERRORS,
        200: answered("What ollama.com read there.", z.record(z.string(), z.unknown())),
        403: refusal("`ALLOW_CLOUD` is off.", "ollama cloud is disabled: web fetch is unavailable", REFUSED_HEADERS),
      },
    },
  ],
};
