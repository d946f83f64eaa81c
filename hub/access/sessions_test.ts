/** Logins to the dashboard: what a cookie is worth, and for how long. */
import { expect, test } from "bun:test";
import { silentLogger } from "../../shared/log.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { command, secretIn } from "../testing/typed.ts";
import { openKeys } from "./keys.ts";
import { createSessions } from "./sessions.ts";

/** The keys of a hub that has one, a viewer's. */
function open() {
  const folder = emptyStateFolder();
  const clock = fakeClock();
  const secret = secretIn(command(folder, "key", "add", "eye", "--viewer"));
  const start = () => openKeys({ folder, environment: [], clock, log: silentLogger });
  return { clock, secret, start };
}

test("a session outlives the hub, and nobody can make one", async () => {
  const { start, clock, secret } = open();
  const keys = start();
  const found = keys.find(secret);
  const id = found.kind === "key" ? found.key.id : "";
  const sessions = createSessions(keys, clock);
  const value = sessions.begin(id) ?? "";
  expect(createSessions(start(), clock).read(value)?.kind).toBe("key");
  const [, until = "", nonce, mac] = value.split(".");
  for (const forged of [
    "",
    ".",
    "a.b.c.d",
    `${id}.${Number(until) + 1}.${nonce}.${mac}`,
    `other.${until}.${nonce}.${mac}`,
    value.slice(0, -1),
    `${value}x`,
  ]) {
    expect([forged, sessions.read(forged)]).toEqual([forged, null]);
  }
  // The code of a key is none of a session.
  expect(sessions.read(`${id}.${until}.${nonce}.${keys.sign(`${id}.${until}.${nonce}`)}`)).toBeNull();
  await clock.advance(13 * 3_600_000);
  expect(sessions.read(value)).toBeNull();
});

test("a logout that nobody has a login for is not remembered, and one's own is for good", async () => {
  const { start, clock } = open();
  const keys = start();
  const sessions = createSessions(keys, clock);
  const old = sessions.begin("a") ?? "";
  await clock.advance(13 * 3_600_000);
  const own = sessions.begin("a") ?? "";
  for (const junk of ["x", `${own}x`, `${own}.`, old, "A".repeat(14_000)]) sessions.end(junk);
  expect(sessions.ended).toBe(0);
  for (let again = 0; again < 3; again++) sessions.end(own);
  expect([sessions.ended, sessions.read(own)]).toEqual([1, null]);
});
