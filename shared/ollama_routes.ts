/** Ollama's routes: what the hub answers, and all that a node passes on to its Ollama. */

export type Method = "HEAD" | "GET" | "POST" | "DELETE";

/** What a route is for, which decides how the hub serves it and whether it takes a slot on a node. */
export type RouteKind =
  /** Runs a model: placed by the request path, takes a slot. */
  | "inference"
  /** Tells what there is. */
  | "info"
  /** Changes which models there are. */
  | "management"
  /** A node's own account at a cloud service. */
  | "account";

export interface OllamaRoute {
  /** A last segment `:name` stands for anything without a slash. */
  readonly path: string;
  /** In the order of Ollama's `Allow` header. */
  readonly methods: readonly Method[];
  readonly kind: RouteKind;
}

/** All of them. */
export const OLLAMA_ROUTES: readonly OllamaRoute[] = [
  { path: "/", methods: ["HEAD", "GET"], kind: "info" },
  { path: "/api/version", methods: ["HEAD", "GET"], kind: "info" },
  { path: "/api/status", methods: ["GET"], kind: "info" },
  { path: "/api/tags", methods: ["HEAD", "GET"], kind: "info" },
  { path: "/api/ps", methods: ["GET"], kind: "info" },
  { path: "/api/show", methods: ["POST"], kind: "info" },
  { path: "/api/generate", methods: ["POST"], kind: "inference" },
  { path: "/api/chat", methods: ["POST"], kind: "inference" },
  { path: "/api/embed", methods: ["POST"], kind: "inference" },
  { path: "/api/embeddings", methods: ["POST"], kind: "inference" },
  { path: "/api/pull", methods: ["POST"], kind: "management" },
  { path: "/api/push", methods: ["POST"], kind: "management" },
  { path: "/api/create", methods: ["POST"], kind: "management" },
  { path: "/api/copy", methods: ["POST"], kind: "management" },
  { path: "/api/delete", methods: ["DELETE"], kind: "management" },
  { path: "/api/blobs/:digest", methods: ["HEAD", "POST"], kind: "management" },
  { path: "/api/me", methods: ["POST"], kind: "account" },
  { path: "/api/signout", methods: ["POST"], kind: "account" },
  { path: "/api/user/keys/:encodedKey", methods: ["DELETE"], kind: "account" },
  { path: "/api/experimental/web_search", methods: ["POST"], kind: "account" },
  { path: "/api/experimental/web_fetch", methods: ["POST"], kind: "account" },
  { path: "/api/experimental/model-recommendations", methods: ["GET"], kind: "info" },
  { path: "/v1/chat/completions", methods: ["POST"], kind: "inference" },
  { path: "/v1/completions", methods: ["POST"], kind: "inference" },
  { path: "/v1/embeddings", methods: ["POST"], kind: "inference" },
  { path: "/v1/models", methods: ["GET"], kind: "info" },
  { path: "/v1/models/:model", methods: ["GET"], kind: "info" },
  { path: "/v1/responses", methods: ["POST"], kind: "inference" },
  { path: "/v1/messages", methods: ["POST"], kind: "inference" },
  { path: "/v1/audio/transcriptions", methods: ["POST"], kind: "inference" },
];

/** The path of `target`, a path with its query, in which a person may have written anything: what a log may keep. */
export function withoutQuery(target: string): string {
  return target.split("?", 1)[0] ?? "";
}

/** The route at `path`, as it stands in the request line without its query; null where Ollama has none. */
export function findOllamaRoute(path: string): OllamaRoute | null {
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  for (const route of OLLAMA_ROUTES) {
    if (route.path === path) return route;
    const colon = route.path.indexOf(":");
    // An escaped slash in the last segment is a slash for Ollama's router too.
    if (colon >= 0 && route.path.slice(0, colon) === folder && path.length > colon && !/%2f/i.test(path)) return route;
  }
  return null;
}
