/** Keys that are none, over a real hub: counted by source on every route, written down, and in nobody else's way. */
import { expect, test } from "bun:test";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { startTestHub } from "../../shared/testing/start_hub.ts";
import { createGuesses } from "./guesses.ts";

const ADMIN = "a-secret-of-the-admin";
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

test("one source shows thirty unknown keys a minute and then is told to wait, and every minute the log has a line", async () => {
  const clock = fakeClock();
  const lines: unknown[] = [];
  const guesses = createGuesses({ clock, log: { warn: (...said: unknown[]) => lines.push(said) } });
  for (let tries = 0; tries < 30; tries++) expect(guesses.tried("a")).toBeNull();
  expect(guesses.tried("a")).toMatchObject({ headers: { "retry-after": "2" } });
  expect([guesses.tried("b"), lines.length]).toEqual([null, 2]);
  await clock.advance(60_000);
  expect([guesses.tried("a"), lines.length]).toEqual([null, 3]);
});

test("unknown keys are counted together on every route, a known one passes, and whether the hub runs may be asked", async () => {
  const hub = startTestHub({ environment: { API_KEYS: `admin:${ADMIN}` } });
  const login = (key: string) =>
    fetch(`${hub.url}/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ key }),
    });
  const tries = [
    (key: string) => fetch(`${hub.url}/nodes`, { headers: bearer(key) }),
    (key: string) => fetch(`${hub.url}/k/${key}/api/tags`),
    (key: string) => fetch(`${hub.url}/v1/models`, { headers: { "x-api-key": key } }),
    login,
  ];
  for (let count = 0; count < 30; count++) {
    expect((await tries[count % tries.length]?.(`guess-${count}`))?.status).toBe(401);
  }
  for (const guess of tries) {
    const answer = await guess("one-too-many");
    expect([answer.status, Number(answer.headers.get("retry-after"))]).toEqual([429, expect.any(Number)]);
    expect(await answer.text()).toContain("unknown keys");
  }
  // What is answered to everybody must not tell whether a key is one.
  expect((await fetch(`${hub.url}/access`, { headers: bearer("one-too-many") })).status).toBe(429);
  expect((await fetch(`${hub.url}/nodes`, { headers: bearer(ADMIN) })).status).toBe(200);
  expect((await login(ADMIN)).status).toBe(200);
  expect((await fetch(`${hub.url}/nodes`)).status).toBe(401);
  expect((await fetch(`${hub.url}/healthz`, { headers: bearer("one-too-many") })).status).toBe(200);
  await hub.stop();
});
