/** The state folder: which one it is, and files that are whole or not there. */
import { expect, test } from "bun:test";
import { chownSync, mkdtempSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { readOrMakeStateFile, readStateFile, stateFolder, whileLocked, writeStateFile } from "./state_file.ts";

test.each([
  ["/set", { STATE_DIRECTORY: "/systemd", XDG_STATE_HOME: "/xdg" }, "/set"],
  [null, { STATE_DIRECTORY: "/systemd:/more", XDG_STATE_HOME: "/xdg" }, "/systemd"],
  [null, { XDG_STATE_HOME: "/xdg" }, "/xdg/ollama-connector"],
  [null, { STATE_DIRECTORY: "", XDG_STATE_HOME: " " }, "/home/me/.local/state/ollama-connector"],
])("STATE_DIR=%p and %p give %p", (set, environment, folder) => {
  expect(stateFolder(set, environment, "/home/me")).toBe(folder);
});

test("a file is replaced whole, readable by its owner only, and nothing is left beside it", () => {
  const folder = join(mkdtempSync(join(tmpdir(), "state-")), "a", "b");
  const path = join(folder, "tokens.json");
  expect(readStateFile(path)).toBeNull();
  writeStateFile(path, "one");
  writeStateFile(path, "two");
  expect(readStateFile(path)).toBe("two");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["tokens.json"]);
});

test.skipIf(process.getuid?.() !== 0)("what root writes belongs to whom the folder belongs to", () => {
  const folder = mkdtempSync(join(tmpdir(), "state-"));
  chownSync(folder, 65534, 65533);
  writeStateFile(join(folder, "keys.json"), "one");
  const { uid, gid, mode } = statSync(join(folder, "keys.json"));
  expect([uid, gid, mode & 0o777]).toEqual([65534, 65533, 0o600]);
});

test("a file is made once: who comes later gets the text that is there", () => {
  const path = join(mkdtempSync(join(tmpdir(), "state-")), "a", "key");
  expect(readOrMakeStateFile(path, () => "first")).toBe("first");
  expect(readOrMakeStateFile(path, () => "second")).toBe("first");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("who was overtaken while it made a file takes the other's, and leaves nothing of its own", () => {
  const path = join(mkdtempSync(join(tmpdir(), "state-")), "key");
  const overtaken = () => {
    writeStateFile(path, "theirs");
    return "ours";
  };
  expect(readOrMakeStateFile(path, overtaken)).toBe("theirs");
  expect(readStateFile(path)).toBe("theirs");
  expect(readdirSync(dirname(path))).toEqual(["key"]);
});

test("processes that change one file at the same time lose nothing, and leave no lock behind", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "state-")), "count");
  const script = `
    import { readStateFile, whileLocked, writeStateFile } from ${JSON.stringify(join(import.meta.dir, "state_file.ts"))};
    const path = ${JSON.stringify(path)};
    for (let turn = 0; turn < 20; turn++)
      whileLocked(path, () => writeStateFile(path, String(Number(readStateFile(path) ?? 0) + 1)));`;
  const processes = Array.from({ length: 3 }, () => Bun.spawn([process.execPath, "-e", script]).exited);
  expect(await Promise.all(processes)).toEqual([0, 0, 0]);
  expect(readStateFile(path)).toBe("60");
  expect(readdirSync(dirname(path))).toEqual(["count"]);
});

test("what is thrown while a file is locked goes through, and the lock with it", () => {
  const path = join(mkdtempSync(join(tmpdir(), "state-")), "count");
  const fail = () =>
    whileLocked(path, () => {
      throw new Error("no");
    });
  expect(fail).toThrow("no");
  expect(whileLocked(path, () => "again")).toBe("again");
});

test("a lock of a process that died is broken, one that is held is waited for and then said to be", () => {
  const path = join(mkdtempSync(join(tmpdir(), "state-")), "count");
  writeFileSync(`${path}.lock`, "");
  expect(() => whileLocked(path, () => "in")).toThrow("count is being changed by another process: try again");
  const longAgo = new Date(Date.now() - 11_000);
  utimesSync(`${path}.lock`, longAgo, longAgo);
  expect(whileLocked(path, () => "in")).toBe("in");
});
