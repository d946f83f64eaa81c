/** Keys as a hub knows them: found in constant time, from two places, changed by others while it runs, never kept. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { silentLogger } from "../../shared/log.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { emptyStateFolder } from "../../shared/testing/state_folder.ts";
import { readHubConfig } from "../config.ts";
import { secretIn, typed } from "../testing/typed.ts";
import { newSecret, readKeys } from "./key_file.ts";
import { openKeys, parseApiKeys } from "./keys.ts";

/** A hub's keys on a fake clock, and the command line on the same folder. */
function open(apiKeys = "") {
  const folder = emptyStateFolder();
  const clock = fakeClock();
  const said: string[] = [];
  const command = (...words: string[]) => typed(words, { environment: { STATE_DIR: folder }, now: clock.wall });
  const environment = apiKeys === "" ? [] : parseApiKeys(apiKeys);
  const start = () => openKeys({ folder, environment, clock, log: silentLogger });
  const add = (...args: string[]) => secretIn(command("key", "add", ...args).text);
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

test("a key is found, or not, in microseconds and in the same time", () => {
  const { start, add } = open(Array.from({ length: 5_000 }, newSecret).join());
  const secret = add("one");
  const keys = start();
  const wrong = newSecret();
  const time = (shown: string) => {
    const startedAt = performance.now();
    for (let index = 0; index < 500; index++) keys.find(shown);
    return ((performance.now() - startedAt) * 1000) / 500;
  };
  // The best of many: in the others something else on this machine had its turn.
  const best = (shown: string) => Math.min(...Array.from({ length: 20 }, () => time(shown)));
  const [right, not] = [best(secret), best(wrong)];
  console.log(`  among 5001 keys: ${right.toFixed(2)} µs for one of them, ${not.toFixed(2)} µs for none`);
  expect(right).toBeLessThan(300);
  expect(Math.abs(right - not)).toBeLessThan(50);
});
