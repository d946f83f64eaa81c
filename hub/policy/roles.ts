/** Who may use which route: one table, in which every route has to stand, and nobody uses one that does not. */

/** Whoever makes a request: with no credential, a key of one of three kinds, or a node with its own. */
export const ROLES = ["anonymous", "caller", "node", "viewer", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Roles a key can have. */
export const KEY_ROLES = ["caller", "viewer", "admin"] as const satisfies readonly Role[];
export type KeyRole = (typeof KEY_ROLES)[number];

/** What a route asks for at least; `any key` is met by a caller's as well as by a viewer's. */
export type LeastRole = Role | "any key";

const SATISFIES: Readonly<Record<Role, readonly LeastRole[]>> = {
  anonymous: ["anonymous"],
  caller: ["anonymous", "any key", "caller"],
  viewer: ["anonymous", "any key", "viewer"],
  admin: ["anonymous", "any key", "caller", "viewer", "admin"],
  // A node speaks for itself and for nothing else.
  node: ["anonymous", "node"],
};

/** True when somebody with this role may use a route that asks for `least`. */
export function satisfies(role: Role, least: LeastRole): boolean {
  return SATISFIES[role].includes(least);
}

/** Method and path as the router has them; `*` at the end stands for any rest. GET stands for HEAD as well. */
export const ROUTE_ROLES: Readonly<Record<string, LeastRole>> = {
  // Whether it runs, and nothing else: open to the whole world.
  "GET /healthz": "anonymous",

  // How to become somebody.
  "GET /access": "anonymous",
  "POST /login": "anonymous",
  "POST /logout": "anonymous",
  "GET /static/login.html": "anonymous",
  "GET /static/login.js": "anonymous",
  "GET /static/login.css": "anonymous",
  "GET /static/style.css": "anonymous",
  "GET /static/theme.js": "anonymous",
  "GET /static/icon.svg": "anonymous",
  "GET /favicon.ico": "anonymous",

  // Proves by its signature who it is, or is let in as an older agent.
  "POST /nodes/heartbeat": "node",

  // What runs a model.
  "POST /jobs": "caller",
  "POST /api/generate": "caller",
  "POST /api/chat": "caller",
  "POST /api/embed": "caller",
  "POST /api/embeddings": "caller",
  "POST /v1/chat/completions": "caller",
  "POST /v1/completions": "caller",
  "POST /v1/embeddings": "caller",
  "POST /v1/responses": "caller",
  "POST /v1/messages": "caller",
  "POST /v1/audio/transcriptions": "caller",
  "POST /api/experimental/web_search": "caller",
  "POST /api/experimental/web_fetch": "caller",

  // What every client asks before it works, and the dashboard shows.
  "GET /": "any key",
  "POST /api/show": "any key",
  "GET /api/version": "any key",
  "GET /api/status": "any key",
  "GET /api/tags": "any key",
  "GET /api/ps": "any key",
  "GET /api/experimental/model-recommendations": "any key",
  "GET /v1/models": "any key",
  "GET /v1/models/:model": "any key",
  "GET /docs": "any key",
  "GET /openapi.json": "any key",

  // What the dashboard lives on: machines, addresses, prompts.
  "GET /static/*": "viewer",
  "GET /nodes": "viewer",
  "GET /nodes/:id": "viewer",
  "GET /queue": "viewer",
  "GET /logs": "viewer",
  "GET /logs/:id": "viewer",
  "GET /stats": "viewer",
  "GET /metrics": "viewer",
  "GET /events": "viewer",
  "POST /explain": "viewer",

  // What changes the machines.
  "DELETE /nodes/:id": "admin",
  "POST /api/pull": "admin",
  "POST /api/push": "admin",
  "POST /api/create": "admin",
  "POST /api/copy": "admin",
  "DELETE /api/delete": "admin",
  "GET /api/blobs/:digest": "admin",
  "POST /api/blobs/:digest": "admin",
  "POST /api/me": "admin",
  "POST /api/signout": "admin",
  "DELETE /api/user/keys/:encodedKey": "admin",
};

/** A route as Hono lists it; `app.routes` is such a list. */
export interface ListedRoute {
  readonly method: string;
  readonly path: string;
}

/** The row of a registered route; null where it has none, which no route may have (roles_test.ts). */
export function roleOfRoute({ method, path }: ListedRoute): LeastRole | null {
  const exact = ROUTE_ROLES[`${method} ${path}`];
  if (exact !== undefined) return exact;
  for (const [row, role] of Object.entries(ROUTE_ROLES)) {
    if (row.endsWith("*") && `${method} ${path}`.startsWith(row.slice(0, -1))) return role;
  }
  return null;
}

/** What a request asks for: "nobody" is a route that the table has forgotten. */
export type Asked = LeastRole | "nobody";

/**
 * What is asked of a request, by method and by the path the router goes by. A path that no route has asks for a key like
 * any other: what there is not is nobody's business either. `registered` is read once, at the first request.
 */
export function roleFinder(registered: readonly ListedRoute[]): (method: string, path: string) => Asked {
  let table: { exact: Map<string, Asked>; patterns: { method: string; start: string; deep: boolean; asked: Asked }[] };
  function build(): typeof table {
    const exact = new Map<string, Asked>();
    const patterns: (typeof table)["patterns"] = [];
    for (const route of registered) {
      if (route.method === "ALL") continue;
      const asked = roleOfRoute(route) ?? "nobody";
      const colon = route.path.search(/[:*]/);
      if (colon < 0) exact.set(`${route.method} ${route.path}`, asked);
      else {
        const start = route.path.slice(0, colon);
        patterns.push({ method: route.method, start, deep: route.path.slice(colon).includes("/"), asked });
      }
    }
    return { exact, patterns };
  }
  return (sent, path) => {
    table ??= build();
    const method = sent === "HEAD" ? "GET" : sent;
    const exact = table.exact.get(`${method} ${path}`);
    if (exact !== undefined) return exact;
    for (const pattern of table.patterns) {
      if (pattern.method !== method || !path.startsWith(pattern.start) || path === pattern.start) continue;
      if (pattern.deep || !path.slice(pattern.start.length).includes("/")) return pattern.asked;
    }
    return "any key";
  };
}

/** Which family of routes `path` belongs to, whose words its refusals are in. */
export function familyOf(path: string): "native" | "openai" | "anthropic" | "hub" {
  if (path === "/v1/messages") return "anthropic";
  if (path.startsWith("/v1/")) return "openai";
  if (path.startsWith("/api/")) return "native";
  return "hub";
}
