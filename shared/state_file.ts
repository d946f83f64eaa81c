/** Files of a program's state folder: where that folder is, and writing one so that it is whole or not there at all. */
import {
  closeSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { systemClock } from "./clock.ts";
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

/** Something that changes whenever the file at `path` does; "" where there is none. Throws when that cannot be told. */
export function stampOf(path: string): string {
  // One that is replaced has another inode; one that is written twice in a millisecond another time in nanoseconds.
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.ino} ${stat.mtimeNs} ${stat.size}`;
}

/**
 * Writes `text` to a new file beside `path` (0600) and returns its name; written by root, it belongs to whom the folder
 * belongs to. Throws when the folder cannot be written.
 */
function writeBeside(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${crypto.randomUUID()}`;
  const file = openSync(beside, "wx", 0o600);
  try {
    writeSync(file, text);
    giveToOwnerOf(dirname(path), file);
    fsyncSync(file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return beside;
}

/** What root writes by a command has to be read by the service, which is another user: the owner of the folder. */
function giveToOwnerOf(folder: string, file: number): void {
  const { uid, gid } = statSync(folder);
  const writer = fstatSync(file).uid;
  if (writer !== 0 || uid === writer) return;
  try {
    fchownSync(file, uid, gid);
  } catch {
    // Root of a user namespace, or of a share that knows no root: no other user could have been meant.
  }
}

/** Replaces the file at `path` (0600) by `text`: another process sees the old text or the new one. Throws as above. */
export function writeStateFile(path: string, text: string): void {
  renameSync(writeBeside(path, text), path);
}

/**
 * The text of the file at `path`; where there is none, it is written (0600) as `make` gives it. Of processes that do so at
 * the same time one writes it and all get that text. Throws when it can be neither read nor written.
 */
export function readOrMakeStateFile(path: string, make: () => string): string {
  const known = readStateFile(path);
  if (known !== null) return known;
  const text = make();
  const beside = writeBeside(path, text);
  try {
    linkSync(beside, path);
    return text;
  } catch (error) {
    // Another process was first: its text is the one.
    const theirs = errorCode(error) === "EEXIST" ? readStateFile(path) : null;
    if (theirs !== null) return theirs;
    // A file system without links.
    renameSync(beside, path);
    return text;
  } finally {
    rmSync(beside, { force: true });
  }
}

/** Milliseconds between two tries to get a lock, and until a command gives it up; a change takes ten or twenty. */
const LOCK_RETRY_MS = 5;
const LOCK_WAIT_MS = 2_000;
/** The same for a program with other things to do, all of which stand still meanwhile. */
export const SHORT_LOCK_WAIT_MS = 250;
/** Older than this, a lock is of a process that died with it. */
const LOCK_STALE_MS = 10_000;

/**
 * Runs `run`, which reads the file at `path` and writes it anew, while no other process does the same: the command line
 * changes files of a hub that runs. Throws when the folder cannot be written, or another process takes longer than `waitMs`.
 */
export function whileLocked<T>(path: string, run: () => T, waitMs = LOCK_WAIT_MS): T {
  const lock = `${path}.lock`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  for (let waitedMs = 0; !create(lock); waitedMs += LOCK_RETRY_MS) {
    const heldSince = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (heldSince !== undefined && systemClock.wall().getTime() - heldSince > LOCK_STALE_MS)
      rmSync(lock, { force: true });
    if (waitedMs >= waitMs) throw new Error(`${path} is being changed by another process: try again`);
    Bun.sleepSync(LOCK_RETRY_MS);
  }
  try {
    return run();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** False when `path` is there already. */
function create(path: string): boolean {
  try {
    closeSync(openSync(path, "wx", 0o600));
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}
