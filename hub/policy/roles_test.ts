/** Every registered route has a row, and every role gets exactly what its row says. */
import { expect, test } from "bun:test";
import { createHubApp, type HubAppDeps } from "../app.ts";
import { familyOf, type LeastRole, ROLES, ROUTE_ROLES, roleFinder, roleOfRoute, satisfies } from "./roles.ts";

// Registering routes asks nothing of what serves them.
const { routes } = createHubApp({ allowedOrigins: [] } as unknown as HubAppDeps);
const registered = routes.filter(({ method }) => method !== "ALL");

test("every registered route has a row in the table", () => {
  expect(registered.length).toBeGreaterThan(50);
  expect(
    registered.filter((route) => roleOfRoute(route) === null).map(({ method, path }) => `${method} ${path}`),
  ).toEqual([]);
});

test("every row of the table is a registered route", () => {
  const known = new Set(registered.map(({ method, path }) => `${method} ${path}`));
  const rows = Object.keys(ROUTE_ROLES).filter((row) => !row.endsWith("*"));
  expect(rows.filter((row) => !known.has(row))).toEqual([]);
});

test.each<[LeastRole, string[]]>([
  ["anonymous", ["anonymous", "caller", "node", "viewer", "admin"]],
  ["any key", ["caller", "viewer", "admin"]],
  ["caller", ["caller", "admin"]],
  ["viewer", ["viewer", "admin"]],
  ["node", ["node"]],
  ["admin", ["admin"]],
])("what asks for %s is for %j", (least, roles) => {
  expect(ROLES.filter((role) => satisfies(role, least))).toEqual(roles as (typeof ROLES)[number][]);
});

test("a route that the table has forgotten is for nobody, and a path that is none for whoever has a key", () => {
  const find = roleFinder([
    ...registered,
    { method: "POST", path: "/nodes/:id/forgotten" },
    { method: "GET", path: "/new" },
  ]);
  expect(find("GET", "/new")).toBe("nobody");
  expect(find("POST", "/nodes/a/forgotten")).toBe("nobody");
  expect(find("GET", "/nowhere")).toBe("any key");
  expect(find("TRACE", "/nodes")).toBe("any key");
});

test("the role of a path is that of the route the router takes, HEAD like GET", () => {
  const find = roleFinder(registered);
  const cases: [string, string, string][] = [
    ["GET", "/healthz", "anonymous"],
    ["HEAD", "/healthz", "anonymous"],
    ["GET", "/nodes", "viewer"],
    ["GET", "/nodes/a", "viewer"],
    ["GET", "/nodes/heartbeat", "viewer"],
    ["POST", "/nodes/heartbeat", "node"],
    ["POST", "/api/chat", "caller"],
    ["HEAD", "/api/blobs/sha256:1", "admin"],
    ["GET", "/v1/models/llama3", "any key"],
    ["GET", "/static/logs.html", "viewer"],
    ["GET", "/static/login.html", "anonymous"],
    ["GET", "/static/fleet/nodes.js", "viewer"],
    ["DELETE", "/api/user/keys/x", "admin"],
  ];
  for (const [method, path, role] of cases) expect([method, path, find(method, path)]).toEqual([method, path, role]);
});

test("refusals are in the words of the path's family", () => {
  expect(["/api/chat", "/v1/models", "/v1/messages", "/jobs", "/", "/nodes"].map(familyOf)).toEqual([
    "native",
    "openai",
    "anthropic",
    "hub",
    "hub",
    "hub",
  ]);
});
