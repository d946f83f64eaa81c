/** State folders for tests: never the home folder's, gone when the test process ends. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadIdentity } from "../identity.ts";

let root: string | null = null;
let made = 0;

/**
 * A new folder that holds nothing but keys, the same ones in every folder of this process: a hub or a node that a test
 * starts again is the one it was, and a port that is used again by another test's hub is still that hub's.
 */
export function stateFolderForTest(): string {
  const folder = emptyStateFolder();
  const keys = join(rootFolder(), "keys");
  mkdirSync(folder, { recursive: true });
  for (const name of ["hub", "node"]) {
    loadIdentity(keys, name);
    copyFileSync(join(keys, `${name}.key`), join(folder, `${name}.key`));
  }
  return folder;
}

/** A folder that is not there yet: what starts with it is nobody's acquaintance. */
export function emptyStateFolder(): string {
  made += 1;
  return join(rootFolder(), `state-${made}`);
}

function rootFolder(): string {
  if (root !== null) return root;
  const folder = mkdtempSync(join(tmpdir(), "ollama-connector-state-"));
  root = folder;
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
