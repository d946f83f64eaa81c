/** A program's own key: who it is to others, kept in its state folder over restarts (Ed25519). */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "./errors.ts";
import { parseJson } from "./json.ts";
import { readOrMakeStateFile, readStateFile, writeStateFile } from "./state_file.ts";

export interface Identity {
  /** The raw 32 bytes in base64url: 43 characters. */
  readonly publicKey: string;
  /** The same shortened for people and tokens, see `keyId`. */
  readonly id: string;
  /** False when it lives in memory only and another one follows at the next start. */
  readonly kept: boolean;
  /** A sentence for the log where it could not be kept. */
  readonly warning: string | null;
  /** The signature of `bytes` in base64url: 86 characters. */
  sign(bytes: Uint8Array | string): string;
}

/** What a public key looks like on the wire. */
export const PUBLIC_KEY = /^[A-Za-z0-9_-]{43}$/;

/** The key `name` of `folder`, made at the first start. Throws when there is a file that is no key. */
export function loadIdentity(folder: string, name: string): Identity {
  const path = join(folder, `${name}.key`);
  try {
    return kept(
      path,
      readOrMakeStateFile(path, () => pemOf(generateKeyPairSync("ed25519").privateKey)),
    );
  } catch (error) {
    if (error instanceof BadKey) throw error;
    const why = messageOf(error);
    return newIdentity(
      `the key in ${folder} can be neither read nor kept (${why}): this process uses one that ends with it; ` +
        "set STATE_DIR to a folder that can be written",
    );
  }
}

/** A key that lives as long as this process. */
export function newIdentity(warning: string | null = null): Identity {
  return { ...identityOf(generateKeyPairSync("ed25519").privateKey), kept: false, warning };
}

/** One key that names its follower, signed by itself, so that who trusts the one may trust the other. */
export interface Rotation {
  readonly from: string;
  readonly to: string;
  readonly signature: string;
}

/**
 * Replaces key `name` of `folder` by a new one, which the old one signs for. Throws when the folder cannot be written, or
 * what was signed before cannot be read.
 */
export function rotateIdentity(folder: string, name: string): { identity: Identity; rotation: Rotation } {
  const old = loadIdentity(folder, name);
  if (old.warning !== null) throw new Error(old.warning);
  const { privateKey } = generateKeyPairSync("ed25519");
  const identity = identityOf(privateKey);
  const signature = old.sign(rotationText(old.publicKey, identity.publicKey));
  const rotation = { from: old.publicKey, to: identity.publicKey, signature };
  const path = join(folder, `${name}.rotations.json`);
  // First the word of the old key: a crash in between leaves the old key, and a word for a key that is not used.
  writeStateFile(path, `${JSON.stringify([...readRotations(folder, name), rotation], null, 1)}\n`);
  writeStateFile(join(folder, `${name}.key`), pemOf(privateKey));
  return { identity, rotation };
}

/**
 * The rotations of key `name` so far, oldest first. Throws where they cannot be read: without them, those who know an older
 * key only would take the new one for somebody else's.
 */
export function readRotations(folder: string, name: string): Rotation[] {
  const path = join(folder, `${name}.rotations.json`);
  const text = readStateFile(path);
  if (text === null) return [];
  const rotations = parseJson(text);
  if (Array.isArray(rotations) && rotations.every(isRotation)) return rotations;
  throw new BadKey(
    `${path} is not a list of key rotations: restore it; or delete it, and hub.pin on every node that trusts an older key`,
  );
}

/** True when `rotations` lead from key `from` to key `to`, each signed by the key before it. */
export function isFollower(from: string, to: string, rotations: readonly Rotation[]): boolean {
  let key = from;
  for (const each of rotations) {
    if (key === to) break;
    if (each.from === key && verify(key, rotationText(each.from, each.to), each.signature)) key = each.to;
  }
  return key === to;
}

function isRotation(each: unknown): each is Rotation {
  const { from, to, signature } = Object(each) as Record<string, unknown>;
  return typeof from === "string" && typeof to === "string" && typeof signature === "string";
}

function rotationText(from: string, to: string): string {
  return `ollama-connector key rotation 1\n${from}\n${to}`;
}

/** The first 132 bits of the hash of a public key. */
export function keyId(publicKey: string): string {
  return createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest("base64url").slice(0, 22);
}

/** What comes before the 32 bytes of a public key in its DER form (RFC 8410). */
const DER_HEAD = Buffer.from("302a300506032b6570032100", "hex");

/** Keys that were used lately, parsed; the oldest goes first. */
const parsed = new Map<string, KeyObject>();
const MOST_PARSED = 1024;

/** True when `signature` is that of `bytes` by the owner of `publicKey`. Never throws, whatever the three are. */
export function verify(publicKey: string, bytes: Uint8Array | string, signature: string): boolean {
  try {
    if (!PUBLIC_KEY.test(publicKey) || !/^[A-Za-z0-9_-]{86}$/.test(signature)) return false;
    return verifyBytes(null, Buffer.from(bytes), publicKeyOf(publicKey), Buffer.from(signature, "base64url"));
  } catch {
    return false;
  }
}

function publicKeyOf(text: string): KeyObject {
  const known = parsed.get(text);
  if (known) return known;
  const der = Buffer.concat([DER_HEAD, Buffer.from(text, "base64url")]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  if (parsed.size >= MOST_PARSED) parsed.delete(parsed.keys().next().value ?? "");
  parsed.set(text, key);
  return key;
}

/** 128 random bits in base64url: 22 characters. */
export function nonce(): string {
  return randomBytes(16).toString("base64url");
}

/** SHA-256 of `bytes` in base64url: 43 characters. */
export function hashOf(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("base64url");
}

/** A file that should be a key and is none. */
class BadKey extends Error {}

function kept(path: string, pem: string): Identity {
  try {
    // Somebody may have copied it here with a wider mode.
    chmodSync(path, 0o600);
  } catch {
    // Not ours, or read-only: it can be read, and that is all that is needed.
  }
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === "ed25519") return identityOf(key);
  } catch {
    // Said below.
  }
  throw new BadKey(`${path} is not an Ed25519 key: restore it, or delete it to begin with a new one`);
}

function pemOf(key: KeyObject): string {
  return key.export({ format: "pem", type: "pkcs8" }).toString();
}

function identityOf(key: KeyObject): Identity {
  const der = createPublicKey(key).export({ format: "der", type: "spki" });
  const publicKey = der.subarray(DER_HEAD.length).toString("base64url");
  return {
    publicKey,
    id: keyId(publicKey),
    kept: true,
    warning: null,
    sign: (bytes) => signBytes(null, Buffer.from(bytes), key).toString("base64url"),
  };
}
