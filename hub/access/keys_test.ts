/** Keys as a hub knows them: found in constant time, from two places, changed by others while it runs, never kept. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadIdentity } from "../../shared/identity.ts";
import { readJoinToken } from "../../shared/join_token.ts";
import { silentLogger } from "../../shared/log.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { COMMAND_HELP, runCommand } from "../commands/command_line.ts";
import { readHubConfig } from "../config.ts";
import { newSecret, readKeys } from "./key_file.ts";
import { openKeys, parseApiKeys } from "./keys.ts";
import { createSessions } from "./sessions.ts";

/** A hub's keys on a fake clock, and the command line on the same folder. */
function open(apiKeys = "") {
  const folder = emptyStateFolder();
  const clock = fakeClock();
  const said: string[] = [];
  const command = (...args: string[]): { code: number; text: string } => {
    const lines: string[] = [];
    const add = (text: string) => lines.push(text);
    const code = runCommand(args, {
      environment: { STATE_DIR: folder },
      now: () => clock.wall(),
      print: add,
      complain: add,
    });
    return { code, text: lines.join("\n") };
  };
  const environment = apiKeys === "" ? [] : parseApiKeys(apiKeys);
  const start = () => openKeys({ folder, environment, clock, log: silentLogger });
  const add = (...args: string[]) => /ohk_[\w-]{43}/.exec(command("key", "add", ...args).text)?.[0] ?? "";
  return { folder, clock, said, command, start, add };
}

const path = (folder: string, name = "keys.json") => join(folder, name);

test("without keys a hub is open, and writes nothing", () => {
  const { folder, start } = open();
  const keys = start();
  expect([keys.closed, keys.find("anything").kind, keys.sign("x")]).toEqual([false, "unknown", null]);
  expect(() => statSync(folder)).toThrow();
});

test("keys of API_KEYS are callers' unless it says otherwise", () => {
  const { start } = open(" first-secret , viewer:second-secret,admin: third:secret ,,");
  const keys = start();
  const roleOf = (secret: string) => {
    const found = keys.find(secret);
    return found.kind === "key" ? found.key.role : found.kind;
  };
  expect(keys.closed).toBe(true);
  expect(["first-secret", "second-secret", "third:secret", "third", "", "viewer:second-secret"].map(roleOf)).toEqual([
    "caller",
    "viewer",
    "admin",
    "unknown",
    "unknown",
    "unknown",
  ]);
});

test("a key that another process adds or revokes counts within a second", async () => {
  const { start, add, clock, command } = open();
  const keys = start();
  const secret = add("one", "--viewer");
  expect(keys.closed).toBe(false);
  await clock.advance(999);
  expect([keys.closed, keys.find(secret).kind]).toEqual([true, "key"]);
  command("key", "revoke", "one");
  await clock.advance(999);
  expect([keys.closed, keys.find(secret).kind]).toEqual([true, "unknown"]);
});

test("a revocation counts though the file could not be read when it came, and that is said once", async () => {
  const { folder, clock, add, command } = open();
  const secret = add("leaked");
  const errors: unknown[] = [];
  let failures = 0;
  const keys = openKeys({
    folder,
    environment: [],
    clock,
    log: { ...silentLogger, warn() {}, info() {}, error: (...said: unknown[]) => errors.push(said) },
    read(from) {
      if (failures-- > 0) throw new Error("EMFILE: too many open files");
      return readKeys(from);
    },
  });
  command("key", "revoke", "leaked");
  failures = 3;
  await clock.advance(1_000);
  expect(keys.find(secret).kind).toBe("key");
  await clock.advance(1_000);
  expect([keys.find(secret).kind, errors.length]).toEqual(["unknown", 1]);
});

test("a folder that cannot be looked at closes a hub while it lasts, and ends nothing", async () => {
  const { folder, clock, start } = open();
  const keys = start();
  symlinkSync(folder, folder);
  await clock.advance(500);
  expect(keys.closed).toBe(true);
  rmSync(folder);
  await clock.advance(500);
  expect(keys.closed).toBe(false);
});

test("a key ends when it was to end", async () => {
  const { start, add, clock } = open();
  const secret = add("short", "--expires", "15m");
  const keys = start();
  expect(keys.find(secret).kind).toBe("key");
  await clock.advance(15 * 60_000);
  expect(keys.find(secret).kind).toBe("expired");
});

test("what is kept does not have the key in it, and is for this user only", () => {
  const { add, folder } = open();
  const secret = add("one");
  const kept = readFileSync(path(folder), "utf8") + readFileSync(path(folder, "pepper"), "utf8");
  expect(kept).not.toContain(secret.slice(4, 20));
  for (const name of ["keys.json", "pepper"]) expect(statSync(path(folder, name)).mode & 0o777).toBe(0o600);
});

test("a file that is broken, or gone, opens nothing", async () => {
  const { start, add, folder, clock } = open();
  const secret = add("one");
  const keys = start();
  writeFileSync(path(folder), "{");
  await clock.advance(1_000);
  expect([keys.closed, keys.find(secret).kind]).toEqual([true, "key"]);
  rmSync(path(folder));
  await clock.advance(1_000);
  expect([keys.closed, keys.find(secret).kind]).toEqual([true, "unknown"]);
  writeFileSync(path(folder), "{");
  expect(start).toThrow(/keys\.json is not JSON/);
  writeFileSync(path(folder), '{"version":1,"keys":[{"id":"x"}]}');
  expect(start).toThrow(/is no file of keys/);
});

test.each([
  [",", "has no key in it"],
  [" , ,", "has no key in it"],
  ["a-good-one,admin:", "no key behind admin: in entry 2"],
  ["viewer: ", "no key behind viewer: in entry 1"],
  ["Admin:top-secret", "entry 1: admin:KEY"],
  ["a-good-one,VIEWER:top-secret", "entry 2: viewer:KEY"],
])("API_KEYS=%s is refused at start, without a key in the message", (text, words) => {
  const environment = { API_KEYS: text, STATE_DIR: "/nowhere" };
  expect(() => readHubConfig(environment)).toThrow(words);
  expect(() => readHubConfig(environment)).not.toThrow(/top-secret|a-good-one/);
});

test("a file that appears and cannot be read closes an open hub", async () => {
  const { start, folder, clock } = open();
  const keys = start();
  mkdirSync(folder, { recursive: true });
  writeFileSync(path(folder), "not yet");
  await clock.advance(1_000);
  expect(keys.closed).toBe(true);
});

test.skipIf(process.getuid?.() === 0)(
  "keys of a file without a pepper that can be read are an error, not nobody's",
  () => {
    const { start, add, folder } = open();
    add("one");
    chmodSync(path(folder, "pepper"), 0o000);
    expect(start).toThrow();
  },
);

test.each<[words: string[], says: RegExp]>([
  [["key"], /add, list or revoke/],
  [["key", "add"], /one NAME/],
  [["key", "add", "a", "b"], /one NAME/],
  [["key", "add", "a b"], /name/],
  [["key", "add", "a", "--admin", "--viewer"], /not both/],
  [["key", "add", "a", "--admin", "--models", "x"], /--models/],
  [["key", "add", "a", "--rpm", "many"], /not a number/],
  [["key", "add", "a", "--rpm", "-1"], /rpm/],
  [["key", "add", "a", "--queue-share", "2"], /queueShare/],
  [["key", "add", "a", "--expires", "yesterday"], /time to come/],
  [["key", "add", "a", "--expires", "2001-01-01"], /time to come/],
  [["key", "add", "a", "--nonsense"], /nonsense/],
  [["token", "make"], /create, list or revoke/],
  [["token", "create", "--uses", "0"], /uses/],
])("%j makes no sense, and says why", (words, says) => {
  const { command, folder } = open();
  const { code, text } = command(...words);
  expect([code, says.test(text)]).toEqual([2, true]);
  expect(() => statSync(path(folder))).toThrow();
});

test.each(
  [
    ["key", "add", "--help"],
    ["key", "--help"],
    ["token", "create", "-h"],
  ].map((words) => [words]),
)("%j prints the help, and does nothing", (words) => {
  const { command, folder } = open();
  expect(command(...words)).toEqual({ code: 0, text: COMMAND_HELP });
  expect(() => statSync(folder)).toThrow();
});

test("a token says for how many, until when, for which hub, and what to write on a node", () => {
  const { command, folder, clock } = open();
  const refused = command("token", "create");
  expect(refused).toMatchObject({
    code: 1,
    text: expect.stringContaining(`no hub has run with this STATE_DIR, ${folder}`),
  });
  expect(() => statSync(folder)).toThrow();
  loadIdentity(folder, "hub");
  const { code, text } = command("token", "create");
  expect(code).toBe(0);
  const [, token = ""] = /^JOIN_TOKEN=(\S+)$/m.exec(text) ?? [];
  expect(readJoinToken(token)?.hubId).toBe(loadIdentity(folder, "hub").id);
  const tomorrow = new Date(clock.wall().getTime() + 24 * 3_600_000).toISOString();
  expect(text).toContain(`good for 10 nodes, until ${tomorrow}`);
  expect(text).toContain(folder);
  expect(command("token", "create", "--uses", "1").text).toContain("good for 1 node, until");
  expect(command("token", "create", "--node", "b").text).toContain("good for node b only, until");
});

test("after the last key it says which file to delete", () => {
  const { command, folder } = open();
  command("key", "add", "one");
  expect(command("key", "revoke", "one").text).toContain(`delete ${path(folder)} and restart the hub`);
  expect(command("key", "list").text).toContain(`delete ${path(folder)} and restart the hub`);
});

test("two keys do not share a name, and one that is not there cannot be revoked", () => {
  const { command } = open();
  expect(command("key", "add", "a").code).toBe(0);
  expect(command("key", "add", "a")).toMatchObject({ code: 2, text: expect.stringContaining("already") });
  expect(command("key", "revoke", "b")).toMatchObject({ code: 1, text: expect.stringContaining("no key b") });
  expect(command("key", "list").text).toMatch(/a +caller/);
});

test("a session outlives the hub, and nobody can make one", async () => {
  const { start, add, clock } = open();
  const secret = add("eye", "--viewer");
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
  const { start, add, clock } = open();
  add("eye", "--viewer");
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

test("a key is found, or not, in microseconds and in the same time", () => {
  const { start, add } = open(Array.from({ length: 5_000 }, newSecret).join());
  const secret = add("one");
  const keys = start();
  const wrong = newSecret();
  const time = (shown: string) => {
    const startedAt = performance.now();
    for (let index = 0; index < 5_000; index++) keys.find(shown);
    return ((performance.now() - startedAt) * 1000) / 5_000;
  };
  time(secret);
  time(wrong);
  const [right, not] = [time(secret), time(wrong)];
  console.log(`  among 5001 keys: ${right.toFixed(2)} µs for one of them, ${not.toFixed(2)} µs for none`);
  expect(right).toBeLessThan(300);
  expect(Math.abs(right - not)).toBeLessThan(50);
});
