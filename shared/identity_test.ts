/** Keys of programs: made once, kept, and never silently replaced. */
import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFollower, keyId, loadIdentity, newIdentity, readRotations, rotateIdentity, verify } from "./identity.ts";

const folder = () => join(mkdtempSync(join(tmpdir(), "identity-")), "state");

test("the key is made at the first start, with mode 0600, and is the same at the next one", () => {
  const where = folder();
  const first = loadIdentity(where, "hub");
  expect(first).toMatchObject({ kept: true, warning: null });
  expect(first.publicKey).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(statSync(join(where, "hub.key")).mode & 0o777).toBe(0o600);
  expect(statSync(where).mode & 0o777).toBe(0o700);
  expect(readdirSync(where)).toEqual(["hub.key"]);
  expect(loadIdentity(where, "hub").publicKey).toBe(first.publicKey);
  expect(loadIdentity(where, "node").publicKey).not.toBe(first.publicKey);
});

test("a key that others may read is made private again", () => {
  const where = folder();
  loadIdentity(where, "hub");
  chmodSync(join(where, "hub.key"), 0o644);
  loadIdentity(where, "hub");
  expect(statSync(join(where, "hub.key")).mode & 0o777).toBe(0o600);
});

test("programs that start together in one folder have one key", async () => {
  const where = folder();
  const script = `import { loadIdentity } from ${JSON.stringify(join(import.meta.dir, "identity.ts"))};
    console.log(loadIdentity(${JSON.stringify(where)}, "hub").publicKey);`;
  const runs = Array.from({ length: 4 }, () => Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" }));
  const keys = await Promise.all(runs.map((run) => run.stdout.text()));
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]?.trim()).toHaveLength(43);
});

test("a folder that cannot be written gives a key in memory and a sentence that says what to do", () => {
  const file = join(mkdtempSync(join(tmpdir(), "identity-")), "file");
  writeFileSync(file, "");
  const identity = loadIdentity(join(file, "state"), "node");
  expect(identity.kept).toBe(false);
  expect(identity.warning).toContain("set STATE_DIR to a folder that can be written");
  expect(verify(identity.publicKey, "text", identity.sign("text"))).toBe(true);
});

test("a file that is no key is not replaced", () => {
  const where = folder();
  loadIdentity(where, "hub");
  writeFileSync(join(where, "hub.key"), "broken");
  expect(() => loadIdentity(where, "hub")).toThrow(/hub\.key is not an Ed25519 key: restore it, or delete it/);
});

test("verify says no to everything but the owner's signature of these bytes, and never throws", () => {
  const [ours, theirs] = [newIdentity(), newIdentity()];
  const signature = ours.sign("text");
  expect(verify(ours.publicKey, "text", signature)).toBe(true);
  expect(verify(theirs.publicKey, "text", signature)).toBe(false);
  expect(verify(ours.publicKey, "Text", signature)).toBe(false);
  expect(verify(ours.publicKey, "text", theirs.sign("text"))).toBe(false);
  for (const bad of ["", "x", "é".repeat(43), "A".repeat(43), "_".repeat(43)]) {
    expect(verify(bad, "text", signature)).toBe(false);
    expect(verify(ours.publicKey, "text", bad)).toBe(false);
    expect(verify(ours.publicKey, "text", bad.repeat(2))).toBe(false);
  }
});

test("a rotation leads from the old key to the new one, step by step, and only where the old one signed", () => {
  const where = folder();
  const first = loadIdentity(where, "hub").publicKey;
  const second = rotateIdentity(where, "hub").identity.publicKey;
  const third = rotateIdentity(where, "hub").identity.publicKey;
  expect(loadIdentity(where, "hub").publicKey).toBe(third);
  const rotations = readRotations(where, "hub");
  expect(isFollower(first, third, rotations)).toBe(true);
  expect(isFollower(second, third, rotations)).toBe(true);
  expect(isFollower(third, first, rotations)).toBe(false);
  expect(isFollower(newIdentity().publicKey, third, rotations)).toBe(false);
  const forged = [{ from: first, to: third, signature: newIdentity().sign(`${first}${third}`) }];
  expect(isFollower(first, third, forged)).toBe(false);
  expect(keyId(first)).toHaveLength(22);
});

test.each(["", "{}", "[1]", '[{"from": "a", "to": "b"}]', "[", "\0"])(
  "a file of rotations that holds %j is named, and not written over",
  (text) => {
    const where = folder();
    const { publicKey } = loadIdentity(where, "hub");
    const path = join(where, "hub.rotations.json");
    writeFileSync(path, text);
    expect(() => readRotations(where, "hub")).toThrow(path);
    expect(() => rotateIdentity(where, "hub")).toThrow("hub.rotations.json is not a list of key rotations");
    expect(readFileSync(path, "utf8")).toBe(text);
    expect(loadIdentity(where, "hub").publicKey).toBe(publicKey);
  },
);
