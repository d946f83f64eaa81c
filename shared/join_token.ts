/** Join tokens as people carry them from the hub to a node: which one, its secret, and which hub it is from. */

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

/** What the owner of a token shows to have it for one heartbeat: `signed` is what the node signed of that one. */
export function joinText(signed: string): string {
  return `ollama-connector join 1\n${signed}`;
}
