/** `STATE_DIR/keys.json`: the API keys as they are kept, of which only an HMAC is. What it is made with is `pepper`, beside it. */
import { createHmac, randomBytes } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { describeIssues } from "../../shared/errors.ts";
import { readOrMakeStateFile, readStateFile, whileLocked, writeStateFile } from "../../shared/state_file.ts";
import { KEY_ROLES } from "../policy/roles.ts";

const most = (largest: number) => z.number().positive().max(largest).nullable().default(null);

export const storedKey = z.object({
  /** Public: stands in logs. */
  id: z.string().regex(/^[a-z0-9-]{1,32}$/),
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "expected 1 to 64 letters, digits, '.', '_' or '-'"),
  /** HMAC-SHA256 of the key, with the pepper, in base64url. */
  mac: z.string().length(43),
  role: z.enum(KEY_ROLES),
  /** Names of models it may use, with `*` for anything; null for all. */
  models: z.array(z.string().min(1).max(512)).max(1000).nullable().default(null),
  /** Requests a minute. */
  rpm: most(1_000_000),
  /** Requests at the same time. */
  concurrent: most(1_000_000),
  tokensPerDay: most(1e12),
  /** Part of the waiting room, 0 to 1. */
  queueShare: most(1),
  /** How many turns it gets in the waiting room for one of a usual key. */
  weight: z.number().min(0.01).max(100).default(1),
  /** Whether X-OpenWebUI-User-Id and X-OpenWebUI-Chat-Id of its requests are believed. */
  trustUserHeader: z.boolean().default(false),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable().default(null),
});
export type StoredKey = z.output<typeof storedKey>;

const keyFile = z.object({ version: z.literal(1), keys: z.array(storedKey).max(100_000) });

/** The file itself. */
export const keysPath = (folder: string) => join(folder, "keys.json");

/** The keys in `folder`, or null where there never was one. Throws an Error that names the file when it is none. */
export function readKeys(folder: string): readonly StoredKey[] | null {
  const path = keysPath(folder);
  const text = readStateFile(path);
  if (text === null) return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error(`${path} is not JSON: repair it, or delete it to begin anew`);
  }
  const read = keyFile.safeParse(json);
  if (!read.success) throw new Error(`${path} is no file of keys: ${describeIssues(read.error)}`);
  return read.data.keys;
}

/**
 * Replaces them by what `change` makes of them, whole or not at all; what it throws leaves them as they were. Throws when
 * the folder cannot be written.
 */
export function changeKeys(folder: string, change: (keys: readonly StoredKey[]) => readonly StoredKey[]): void {
  const path = keysPath(folder);
  whileLocked(path, () => {
    const keys = change(readKeys(folder) ?? []);
    writeStateFile(path, `${JSON.stringify({ version: 1, keys }, null, 1)}\n`);
  });
}

/** The pepper of `folder`, made at the first time. Throws when it can be neither read nor kept. */
export function loadPepper(folder: string): Buffer {
  const path = join(folder, "pepper");
  const text = readOrMakeStateFile(path, () => `${newPepper().toString("base64url")}\n`);
  const pepper = Buffer.from(text.trim(), "base64url");
  if (pepper.byteLength < 32)
    throw new Error(`${path} is broken: no key can be told by it. Restore it, or delete it and keys.json`);
  return pepper;
}

/** One that lives as long as this process. */
export function newPepper(): Buffer {
  return randomBytes(32);
}

/** A new key as its owner gets it, once. Scanners for secrets find it by its beginning. */
export function newSecret(): string {
  return `ohk_${randomBytes(32).toString("base64url")}`;
}

/** What is kept of `secret`, in base64url. A fast hash is right for what cannot be guessed. */
export function macOf(pepper: Buffer, secret: string): string {
  return createHmac("sha256", pepper).update(secret).digest("base64url");
}
