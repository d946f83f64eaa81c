/** What docs/operations.md has people copy does what it says, as far as the hub is concerned. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { startTestHub } from "../shared/testing/start_hub.ts";

/** What nginx puts for its variables. */
const VARIABLES: Readonly<Record<string, string>> = { $http_host: "ollama.example.lan", $remote_addr: "192.168.1.50" };

/** The headers that the documented nginx sets on every request. */
async function nginxHeaders(): Promise<Record<string, string>> {
  const text = await Bun.file(join(import.meta.dir, "operations.md")).text();
  const [, sample = ""] = /```nginx\n(.*?)```/s.exec(text) ?? [];
  const set = Array.from(sample.matchAll(/proxy_set_header (\S+) (\S+);/g), ([, name = "", value = ""]) => [
    name,
    value,
  ]);
  const given = set.filter(([, value]) => value !== '""');
  return Object.fromEntries(given.map(([name = "", value = ""]) => [name, VARIABLES[value] ?? value]));
}

test("an open hub behind the documented nginx lets nobody in, and one with keys whoever has one", async () => {
  const headers = await nginxHeaders();
  expect(headers).toMatchObject({ Host: "ollama.example.lan" });
  const open = startTestHub();
  const refused = await fetch(`${open.url}/nodes`, { headers });
  expect([refused.status, await refused.text()]).toEqual([401, expect.stringContaining("through a proxy")]);
  await open.stop();
  const closed = startTestHub({ environment: { API_KEYS: "admin:a-secret-of-the-admin" } });
  expect((await fetch(`${closed.url}/nodes`, { headers })).status).toBe(401);
  const authorization = "Bearer a-secret-of-the-admin";
  expect((await fetch(`${closed.url}/nodes`, { headers: { ...headers, authorization } })).status).toBe(200);
  await closed.stop();
});
