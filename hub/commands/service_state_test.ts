/** Commands beside a hub that is a service: they change its keys, or say why not, and never those of nobody. */
import { afterEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadIdentity } from "../../shared/identity.ts";
import { eventually, startTestHub } from "../../shared/testing/start_hub.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { secretIn, typed } from "../testing/typed.ts";
import { withServiceState } from "./service_state.ts";

const toEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0)) await end();
});

/** A service as install.sh leaves it, with `settings` in its file; and a command on its machine that is told no folder. */
function installed(settings = "PORT=8000\n") {
  const folder = emptyStateFolder();
  const service = { settings: join(folder, "hub.env"), state: join(folder, "hub") };
  mkdirSync(service.state, { recursive: true });
  writeFileSync(service.settings, settings);
  const environment = { XDG_STATE_HOME: join(folder, "home") };
  const command = (...words: string[]) => typed(words, { environment, service });
  return { folder, service, command };
}

test("a key that is added without a STATE_DIR closes the hub that is a service, and is good there", async () => {
  const { service, command } = installed();
  const hub = startTestHub({ environment: { STATE_DIR: service.state } });
  toEnd.push(hub.stop);
  const { text } = command("key", "add", "me", "--admin");
  expect(text).toContain(service.state);
  await eventually(async () => expect((await fetch(`${hub.url}/nodes`)).status).toBe(401));
  const authorization = `Bearer ${secretIn(text)}`;
  expect((await fetch(`${hub.url}/nodes`, { headers: { authorization } })).status).toBe(200);
});

test.skipIf(process.getuid?.() !== 0)("what root adds can be read by the service's user", () => {
  const { service, command } = installed();
  chownSync(service.state, 65534, 65534);
  expect(command("key", "add", "me").code).toBe(0);
  // As the hub's first start does.
  loadIdentity(service.state, "hub");
  expect(command("token", "create").code).toBe(0);
  expect(readdirSync(service.state).sort()).toEqual(["hub.key", "keys.json", "pepper", "tokens.json"]);
  for (const file of readdirSync(service.state)) {
    expect([file, statSync(join(service.state, file)).uid]).toEqual([file, 65534]);
  }
});

test.skipIf(process.getuid?.() === 0)("who may not read the service's settings is told to use sudo", () => {
  const { service, command } = installed();
  chmodSync(service.settings, 0o000);
  expect(command("key", "add", "me")).toMatchObject({ code: 1, text: expect.stringContaining("sudo") });
});

test.each([
  ["PORT=8000\n", {}, null],
  ["STATE_DIR=/first\nSTATE_DIR=/srv/hub\n", {}, "/srv/hub"],
  ['STATE_DIR="/srv/my hub"\n', {}, "/srv/my hub"],
  ["STATE_DIR=\n", {}, null],
])(
  "with the settings %j and %p, a command means the folder %p, null being the service's usual one",
  (settings, given, folder) => {
    const { service } = installed(settings);
    expect(withServiceState(given, service).STATE_DIR).toBe(folder ?? service.state);
  },
);

test("a folder that is named counts, and without a service, or after its removal, so does the user's own", () => {
  const { service } = installed();
  const own = { STATE_DIR: "/own" };
  expect(withServiceState(own, service)).toBe(own);
  const systemd = { STATE_DIRECTORY: "/systemd" };
  expect(withServiceState(systemd, service)).toBe(systemd);
  const none = {};
  expect(withServiceState(none, { ...service, settings: "/nowhere/hub.env" })).toBe(none);
  expect(withServiceState(none, { ...service, state: "/nowhere/hub" })).toBe(none);
});
