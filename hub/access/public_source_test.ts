/** A hub without configuration and a machine with public addresses, each in a network namespace of its own. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { netLabAvailable, openNetLab, type Space } from "../../shared/testing/net_lab.ts";
import { eventually } from "../../shared/testing/start_hub.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { createHubApp, type HubAppDeps } from "../app.ts";

const reason = netLabAvailable();
if (reason !== null) console.log(`hub/access/public_source_test.ts skipped: ${reason}`);

setDefaultTimeout(30_000);

const { routes } = createHubApp({ allowedOrigins: [] } as unknown as HubAppDeps);
const ROUTES = [
  ...new Set(routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${path}`)),
].map((route) => route.replace(/:\w+/g, "x").split(" ") as [method: string, path: string]);

/** Statuses of `requests` to each of `origins`, sent by a program within `space`. */
async function statuses(
  space: Space,
  origins: readonly string[],
  requests: readonly (readonly [method: string, path: string])[],
): Promise<Record<string, number>> {
  const script = `
    const found = {};
    for (const origin of ${JSON.stringify(origins)}) for (const [method, path] of ${JSON.stringify(requests)}) {
      const abort = new AbortController();
      const body = method === "POST" || method === "DELETE" ? "{}" : undefined;
      const answer = await fetch(origin + path, { method, body, redirect: "manual", signal: abort.signal });
      found[method + " " + origin + path] = answer.status;
      abort.abort();
    }
    console.log("FOUND" + JSON.stringify(found));`;
  const child = space.start([process.execPath, "-e", script], {});
  await child.exited;
  const found = await eventually(() => {
    const text = /FOUND(.*)/.exec(child.output())?.[1];
    if (text === undefined) throw new Error(child.output());
    return text;
  });
  return JSON.parse(found);
}

async function openLab(environment: Record<string, string>) {
  const lab = openNetLab();
  const [hub, stranger] = [lab.space("hub"), lab.space("far")];
  lab.link(
    { space: hub, addresses: ["203.0.113.1/24", "2001:db8:77::1/64", "10.77.0.1/24", "fd00:77::1/64"] },
    { space: stranger, addresses: ["203.0.113.2/24", "2001:db8:77::2/64", "10.77.0.2/24", "fd00:77::2/64"] },
  );
  const main = join(import.meta.dir, "..", "main.ts");
  const program = hub.start([process.execPath, main], { STATE_DIR: emptyStateFolder(), ...environment });
  await eventually(() => {
    if (!program.output().includes('"port":8000')) throw new Error(program.output());
  });
  return { lab, hub, stranger, program };
}

const PUBLIC = ["http://203.0.113.1:8000", "http://[2001:db8:77::1]:8000"];
const PRIVATE = ["http://10.77.0.1:8000", "http://[fd00:77::1]:8000"];

describe.skipIf(reason !== null)("a hub without configuration", () => {
  test("answers 401 to public addresses on every route but the sign of life, and works on private ones", async () => {
    const { lab, hub, stranger, program } = await openLab({});
    await using _ = lab;
    const far = await statuses(stranger, PUBLIC, [
      ...ROUTES,
      ["GET", "/nowhere"],
      ["OPTIONS", "/api/chat"],
      ["PUT", "/nodes"],
    ]);
    const open = Object.entries(far).filter(([request, status]) => status !== 401 && !request.endsWith("/healthz"));
    expect(open).toEqual([]);
    expect(
      Object.entries(far)
        .filter(([request]) => request.endsWith("/healthz"))
        .map(([, status]) => status),
    ).toEqual([200, 200]);
    expect(Object.keys(far).length).toBe(2 * (ROUTES.length + 3));

    const reads = [
      ["GET", "/nodes"],
      ["GET", "/api/tags"],
      ["GET", "/access"],
      ["GET", "/"],
    ] as const;
    expect(Object.values(await statuses(stranger, PRIVATE, reads))).toEqual(new Array(8).fill(200));
    expect(
      Object.values(
        await statuses(hub, ["http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost:8000"], reads),
      ),
    ).toEqual(new Array(12).fill(200));
    // It says so, once, and how to close it; and of the strangers it tells as well.
    expect(program.output().match(/This hub is open to everybody in its network/g)).toHaveLength(1);
    expect(program.output()).toContain("203.0.113.2");
  });

  test("takes public addresses that it was told are its own, and with a key any", async () => {
    const told = await openLab({ TRUSTED_NETWORKS: "203.0.113.0/24,2001:db8:77::/64" });
    expect(Object.values(await statuses(told.stranger, PUBLIC, [["GET", "/nodes"]]))).toEqual([200, 200]);
    await told.lab[Symbol.asyncDispose]();

    const closed = await openLab({ API_KEYS: "admin:a-secret-of-the-admin" });
    const withKey = [
      ["GET", "/k/a-secret-of-the-admin/nodes"],
      ["GET", "/nodes"],
    ] as const;
    expect(Object.values(await statuses(closed.stranger, [...PUBLIC, ...PRIVATE], withKey))).toEqual([
      200, 401, 200, 401, 200, 401, 200, 401,
    ]);
    await closed.lab[Symbol.asyncDispose]();
  });
});
