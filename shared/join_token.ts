/** Join tokens as people carry them from the hub to a node: which one, its secret, and which hub it is from. */
import { createHash, createHmac } from "node:crypto";

export interface JoinToken {
  readonly id: string;
  readonly secret: string;
  /** `keyId` of the hub's public key. */
  readonly hubId: string;
}

const TOKEN = /^ohj1\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})$/;

/** `ohj1.<id>.<secret>.<hub>` as a token, or null. */
export function readJoinToken(text: string): JoinToken | null {
  const [, id = "", secret = "", hubId = ""] = TOKEN.exec(text.trim()) ?? [];
  return id === "" ? null : { id, secret, hubId };
}

/** The opposite of `readJoinToken`. */
export function writeJoinToken({ id, secret, hubId }: JoinToken): string {
  return `ohj1.${id}.${secret}.${hubId}`;
}

/** What the hub keeps of a token's secret. */
export function hashOfSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** What only who has the secret can show for one heartbeat: `signed` is what the node signed of that one. */
export function joinProof(secretHash: Buffer, signed: string): Buffer {
  return createHmac("sha256", secretHash).update(`ollama-connector join 1\n${signed}`).digest();
}
