/** The guard over a real hub: what it takes for a key, what it writes down, and what it needs for that. */
import { expect, test } from "bun:test";
import { renameSync, symlinkSync } from "node:fs";
import type { Logger } from "../../shared/log.ts";
import { silentLogger } from "../../shared/log.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";

/** A logger, and the warnings it was given. */
function listen(): { log: Logger; warnings: string[] } {
  const warnings: string[] = [];
  const log = new Proxy(silentLogger, {
    get: (logger, name: keyof Logger) =>
      name === "warn" ? (_: unknown, words: string) => warnings.push(words) : logger[name],
  });
  return { log, warnings };
}

test("a refusal is written down once an hour for each source, and not for good", async () => {
  const clock = fakeClock();
  const { log, warnings } = listen();
  const hub = startTestHub({ clock, log });
  const refused = async () => {
    expect((await fetch(`${hub.url}/nodes`, { headers: { host: "evil.example" } })).status).toBe(421);
    return warnings.filter((words) => words.includes("evil.example")).length;
  };
  expect([await refused(), await refused()]).toEqual([1, 1]);
  await clock.advance(3_600_000);
  expect(await refused()).toBe(2);
  await hub.stop();
});

test("a folder that cannot be looked at makes no request an error, and whether the hub runs everybody may know", async () => {
  const STATE_DIR = emptyStateFolder();
  const key = "a-secret-of-the-admin";
  const hub = startTestHub({ environment: { STATE_DIR, API_KEYS: `admin:${key}` } });
  renameSync(STATE_DIR, `${STATE_DIR}.away`);
  symlinkSync(STATE_DIR, STATE_DIR);
  await eventually(async () => {
    const access = await fetch(`${hub.url}/access`, { headers: { "x-api-key": key } });
    expect(await access.json()).toMatchObject({ mode: "closed", nodes: "closed" });
  });
  expect((await fetch(`${hub.url}/nodes`, { headers: { "x-api-key": key } })).status).toBe(200);
  const headers = { host: "evil.example", via: "1.1 proxy", "x-api-key": "wrong" };
  for (const method of ["GET", "HEAD"]) {
    expect((await fetch(`${hub.url}/healthz`, { method, headers })).status).toBe(200);
  }
  await hub.stop();
});

test("behind a proxy with passwords, a login and a key in x-api-key count beside its Basic", async () => {
  const key = "a-secret-of-the-admin";
  const hub = startTestHub({ environment: { API_KEYS: `admin:${key}` } });
  const headers = { authorization: `Basic ${btoa("me:password")}` };
  const ask = (more: Record<string, string>) => fetch(`${hub.url}/nodes`, { headers: { ...headers, ...more } });
  expect((await ask({ "x-api-key": key })).status).toBe(200);
  const login = await fetch(`${hub.url}/login`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ key }),
  });
  expect((await ask({ cookie: login.headers.get("set-cookie")?.split(";")[0] ?? "" })).status).toBe(200);
  expect((await ask({})).status).toBe(401);
  expect((await fetch(`${hub.url}/nodes`, { headers: { authorization: `Basic ${key}` } })).status).toBe(401);
  await hub.stop();
});
