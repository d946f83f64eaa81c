/** The API keys a running hub knows: from API_KEYS and from the keys file, which other processes change meanwhile. */
import { timingSafeEqual } from "node:crypto";
import { type Clock, every } from "../../shared/clock.ts";
import type { Logger } from "../../shared/log.ts";
import { stampOf } from "../../shared/state_file.ts";
import { KEY_ROLES, type KeyRole } from "../policy/roles.ts";
import { keysPath, loadPepper, macOf, newPepper, readKeys, type StoredKey } from "./key_file.ts";

/** A key as API_KEYS has it. */
export interface EnvironmentKey {
  readonly secret: string;
  readonly role: KeyRole;
}

export interface KeysOptions {
  /** STATE_DIR. */
  readonly folder: string;
  readonly environment: readonly EnvironmentKey[];
  readonly clock: Clock;
  readonly log: Pick<Logger, "warn" | "info" | "error">;
  readonly read?: typeof readKeys;
}

export type FoundKey = { readonly kind: "unknown" | "expired" } | { readonly kind: "key"; readonly key: StoredKey };

export type Keys = ReturnType<typeof openKeys>;

/** How often the file is looked at: a revoked key is dead within a second. */
const LOOK_MS = 500;
/** Characters of a key; nothing longer is worth computing with. */
const LONGEST_SECRET = 512;
const SHORT_SECRET = 16;
const UNKNOWN: FoundKey = { kind: "unknown" };

/**
 * The keys. Throws an Error that names the file when it is there and cannot be read: then it is not known who may do
 * what. `stop` ends looking at it.
 */
export function openKeys({ folder, environment, clock, log, read = readKeys }: KeysOptions) {
  const path = keysPath(folder);
  let stamp = stampOf(path);
  let stored = read(folder);
  /** Why the file cannot be read now; null where it can. */
  let failure: string | null = null;
  let pepper: Buffer | null = null;
  let byMac = new Map<string, StoredKey>();
  let byId = new Map<string, StoredKey>();
  if (stored !== null || environment.length > 0) arrange(stored);
  const short = environment.filter(({ secret }) => secret.length < SHORT_SECRET).length;
  if (short > 0)
    log.warn(`${short} of API_KEYS can be guessed: use ${SHORT_SECRET} characters or more, or ollama-hub key add NAME`);

  function ownPepper(next: readonly StoredKey[] | null): Buffer {
    try {
      return loadPepper(folder);
    } catch (error) {
      // Keys of the file would all be strangers. Those of the environment are hashed anew at every start.
      if (next !== null) throw error;
      log.warn("STATE_DIR cannot be written: logins to the dashboard end with this process");
      return newPepper();
    }
  }

  function arrange(next: readonly StoredKey[] | null): void {
    pepper ??= ownPepper(next);
    const secret = pepper;
    const own = environment.map((key) => fromEnvironment(key, macOf(secret, key.secret)));
    const all = [...(next ?? []), ...own];
    byMac = new Map(all.map((key) => [key.mac, key]));
    byId = new Map(all.map((key) => [key.id, key]));
    stored = next;
  }

  function look(): void {
    let now = stamp;
    try {
      now = stampOf(path);
      if (now !== stamp) change();
      // What could not be read is looked at again and again: it may be a revocation.
      stamp = now;
      failure = null;
    } catch (error) {
      // Somebody has made keys: whoever may use them is not known, and everybody is not the answer.
      if (now !== stamp) stored ??= [];
      if (failure === String(error)) return;
      failure = String(error);
      log.error({ err: error }, "the keys file cannot be read: the keys known before stay valid, and no others");
    }
  }

  function change(): void {
    const before = stored?.length ?? 0;
    // A file that goes takes its keys with it, and opens nothing: for that the hub has to be started again.
    const next = read(folder) ?? (stored === null ? null : []);
    if (next === null) return;
    arrange(next);
    log.info(`API keys were changed: ${next.length} now, ${before} before`);
  }
  const stop = every(clock, LOOK_MS, look);

  function valid(key: StoredKey | undefined): FoundKey {
    if (key === undefined) return UNKNOWN;
    const ended = key.expiresAt !== null && Date.parse(key.expiresAt) <= clock.wall().getTime();
    return ended ? { kind: "expired" } : { kind: "key", key };
  }

  return {
    /** True as soon as there is, or was, one key: from then on nobody is let in without. Also while nobody can tell. */
    get closed() {
      return stored !== null || environment.length > 0 || failure !== null;
    },

    /** The key that `secret` is. Costs the same whether there is one or not. */
    find(secret: string): FoundKey {
      if (pepper === null || secret.length > LONGEST_SECRET) return UNKNOWN;
      const mac = macOf(pepper, secret);
      const key = byMac.get(mac);
      if (key === undefined || !timingSafeEqual(Buffer.from(key.mac), Buffer.from(mac))) return UNKNOWN;
      return valid(key);
    },

    /** The key with this id, for whoever proved with it who they are. */
    byId: (id: string): FoundKey => valid(byId.get(id)),

    /** A code for `text` that nobody else can make; null while the hub is open. */
    sign: (text: string): string | null => (pepper === null ? null : macOf(pepper, text)),

    stop,
  };
}

function fromEnvironment({ role }: EnvironmentKey, mac: string): StoredKey {
  return {
    // The same at every start, and nothing that tells of the key.
    id: `env-${Buffer.from(mac, "base64url").toString("hex").slice(0, 12)}`,
    name: "API_KEYS",
    mac,
    role,
    models: null,
    rpm: null,
    concurrent: null,
    tokensPerDay: null,
    queueShare: null,
    weight: 1,
    trustUserHeader: false,
    createdAt: "1970-01-01T00:00:00.000Z",
    expiresAt: null,
  };
}

/**
 * Reads API_KEYS: keys with commas between them, each with `viewer:` or `admin:` before it where it is no caller's. Throws an
 * Error that says what would be right and shows nothing of what was set.
 */
export function parseApiKeys(text: string): readonly EnvironmentKey[] {
  const entries = text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  // A hub that was to be closed would be open.
  if (entries.length === 0) throw new Error("has no key in it: set one, or leave it out");
  return entries.map((entry, index) => {
    const [, role, secret = ""] = /^(caller|viewer|admin):(.*)$/is.exec(entry) ?? [];
    if (role === undefined) return { role: "caller", secret: entry };
    const found = KEY_ROLES.find((each) => each === role);
    if (found === undefined)
      throw new Error(`has a role in capital letters as entry ${index + 1}: ${role.toLowerCase()}:KEY`);
    if (secret.trim() === "") throw new Error(`has no key behind ${role}: in entry ${index + 1}`);
    return { role: found, secret: secret.trim() };
  });
}
