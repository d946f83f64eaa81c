/** The state folder: which one it is, and files that are whole or not there. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readStateFile, stateFolder, writeStateFile } from "./state_file.ts";

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
