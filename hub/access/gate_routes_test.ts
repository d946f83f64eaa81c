/** Every route × every role, over the wire: whoever may not use it is told so before the route hears of the request. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestHub, type TestHub } from "../../shared/testing/start_hub.ts";
import { createHubApp, type HubAppDeps } from "../app.ts";
import { ROLES, type Role, roleOfRoute, satisfies } from "../policy/roles.ts";

const KEYS: Readonly<Partial<Record<Role, string>>> = {
  caller: "key-of-a-caller-00",
  viewer: "key-of-a-viewer-00",
  admin: "key-of-an-admin-00",
};

const { routes } = createHubApp({ allowedOrigins: [] } as unknown as HubAppDeps);
const registered = routes.filter(({ method }) => method !== "ALL");

let hub: TestHub;
beforeAll(() => {
  const { caller, viewer, admin } = KEYS;
  hub = startTestHub({ environment: { API_KEYS: `${caller},viewer:${viewer},admin:${admin}`, JOIN: "closed" } });
});
afterAll(() => hub.stop());

/** What the gate itself said, or null where the route answered. */
async function refusalOf(method: string, path: string, key: string | undefined): Promise<number | null> {
  const abort = new AbortController();
  const answer = await fetch(hub.url + path, {
    method,
    signal: abort.signal,
    redirect: "manual",
    ...(key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } }),
    ...(method === "POST" || method === "DELETE" ? { body: "{}" } : {}),
  });
  const isEndless = answer.headers.get("content-type")?.startsWith("text/event-stream");
  const text = isEndless ? "" : await answer.text();
  abort.abort();
  if (answer.status === 401 && answer.headers.has("www-authenticate")) return 401;
  return answer.status === 403 && text.includes("a key of role") ? 403 : null;
}

for (const { method, path } of registered) {
  const least = roleOfRoute({ method, path }) ?? "admin";
  test(`${method} ${path} is for ${least}`, async () => {
    const target = path.replace(/:\w+/g, "x").replace("*", "x");
    for (const role of ROLES) {
      // A node has no key: its signature is the route's own business.
      if (role === "node") continue;
      const right = least === "node" || satisfies(role, least) ? null : role === "anonymous" ? 401 : 403;
      expect([role, await refusalOf(method, target, KEYS[role])]).toEqual([role, right]);
      if (method === "GET")
        expect([role, await refusalOf("HEAD", target, KEYS[role])]).toEqual([role, right === 403 ? null : right]);
    }
  });
}

test("nobody comes around it by writing the path in another way", async () => {
  for (const path of [
    "//nodes",
    "/nodes/",
    "/./nodes",
    "/x/../nodes",
    "/%6eodes",
    "/nodes%2f",
    "/nodes;a",
    "/NODES",
    "/nodes?x",
    "/k//nodes",
    "/k/x/nodes",
    "/nodes/heartbeat",
  ]) {
    const answer = await fetch(hub.url + path, { redirect: "manual" });
    expect([path, answer.status]).toEqual([path, 401]);
  }
});
