/** Files of a program's state folder: where that folder is, and writing one so that it is whole or not there at all. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { errorCode } from "./fleet_fetch.ts";
import type { Environment, Setting } from "./settings.ts";

/** The setting of both programs; `stateFolder` finds the default. */
export const STATE_DIR: Setting<string | null> = {
  variable: "STATE_DIR",
  fallback: null,
  fallbackShown: "~/.local/state/ollama-connector",
  doc: "Folder for what has to survive a restart: the program's key, whom it trusts, tokens",
  parse: (text) => resolve(text),
};

/** The folder `set` names; else systemd's, else the one the desktop rules name. It need not exist. */
export function stateFolder(set: string | null, environment: Environment, home: string = homedir()): string {
  if (set !== null) return set;
  // systemd names several with colons between them.
  const fromSystemd = environment.STATE_DIRECTORY?.split(":")[0]?.trim();
  if (fromSystemd) return fromSystemd;
  const base = environment.XDG_STATE_HOME?.trim();
  return join(base || join(home, ".local", "state"), "ollama-connector");
}

/** The text of the file at `path`, or null where there is none. Throws when it cannot be read. */
export function readStateFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return null;
    throw error;
  }
}

let written = 0;

/** Writes `text` to a new file beside `path` (0600) and returns its name. Throws when the folder cannot be written. */
export function writeBeside(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  written += 1;
  const beside = `${path}.${crypto.randomUUID().slice(0, 8)}-${written}`;
  const file = openSync(beside, "wx", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return beside;
}

/** Replaces the file at `path` (0600) by `text`: another process sees the old text or the new one. Throws as above. */
export function writeStateFile(path: string, text: string): void {
  renameSync(writeBeside(path, text), path);
}
