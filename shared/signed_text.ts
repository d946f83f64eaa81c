/** What hub and node sign for each other: the exact texts, and the ticket that a request of the hub's carries. */

/**
 * Each text begins with what it is, so that a signature of one kind is never taken for one of another. No part of it may
 * hold a line break; what comes from outside and might is hashed or checked before.
 */
const text = (kind: string, ...parts: readonly string[]) => [`ollama-connector ${kind} 1`, ...parts].join("\n");

export interface SignedHeartbeat {
  readonly method: string;
  readonly path: string;
  /** SHA-256 of the body in base64url. */
  readonly bodyHash: string;
  readonly bootId: string;
  readonly seq: number;
  /** The boot id of the hub it is for: what was said to an earlier start of the hub cannot be said again. */
  readonly challenge: string;
}

/** What a node signs of a heartbeat. */
export function heartbeatText({ method, path, bodyHash, bootId, seq, challenge }: SignedHeartbeat): string {
  return text("heartbeat", method, path, bodyHash, bootId, String(seq), challenge);
}

export interface SignedAnswer {
  readonly nodeId: string;
  readonly nodeKey: string;
  /** Which heartbeat it answers. */
  readonly bootId: string;
  readonly seq: number;
  readonly hubKey: string;
  readonly hubBootId: string;
  /** Monotonic milliseconds of this start of the hub. */
  readonly timeMs: number;
}

/** What the hub signs of its answer to a heartbeat. */
export function answerText(answer: SignedAnswer): string {
  const { nodeId, nodeKey, bootId, seq, hubKey, hubBootId, timeMs } = answer;
  return text("heartbeat answer", nodeId, nodeKey, bootId, String(seq), hubKey, hubBootId, String(timeMs));
}

/** What a node signs to show that it is the one at `at`, an `address:port`: `challenge` is new each time. */
export function proofText(challenge: string, nodeId: string, hubKey: string, at: string): string {
  return text("address proof", challenge, nodeId, hubKey, at);
}

/** What a challenge may look like: nothing a node signs is somebody else's words. */
export const CHALLENGE = /^[A-Za-z0-9_-]{22,64}$/;

/** In place of a hash: the body is read while it is sent, as a blob's is. */
export const UNSIGNED_BODY = "unsigned";

/** What of a ticket is written on it. The rest of what is signed is in the request. */
export interface Ticket {
  /** Milliseconds of the hub's time after which it is void. */
  readonly expiresMs: number;
  readonly hubBootId: string;
  /** The start of the node it is for, which remembers what it has used; "" where the hub knows none. */
  readonly nodeBootId: string;
  readonly nonce: string;
  /** SHA-256 of the body in base64url, or UNSIGNED_BODY. */
  readonly bodyHash: string;
}

/** What a ticket is for. */
export interface TicketFor {
  readonly hubKey: string;
  readonly nodeId: string;
  readonly requestId: string;
  readonly method: string;
  /** Path and query at the node, as `pathIn` gives it. */
  readonly path: string;
}

/** What the hub signs of a ticket. */
export function ticketText(ticket: Ticket, { hubKey, nodeId, requestId, method, path }: TicketFor): string {
  const { expiresMs, hubBootId, nodeBootId, nonce, bodyHash } = ticket;
  const use = [hubKey, nodeId, requestId, method, path];
  return text("ticket", ...use, bodyHash, nonce, String(expiresMs), hubBootId, nodeBootId);
}

/** The header's value: `2.expiry.hub boot.node boot.nonce.body.signature`. */
export function writeTicket(ticket: Ticket, signature: string): string {
  const { expiresMs, hubBootId, nodeBootId, nonce, bodyHash } = ticket;
  return `2.${expiresMs}.${hubBootId}.${nodeBootId}.${nonce}.${bodyHash}.${signature}`;
}

const TICKET =
  /^2\.(\d{1,15})\.([A-Za-z0-9-]{1,64})\.([A-Za-z0-9_-]{0,64})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43}|unsigned)\.([A-Za-z0-9_-]{86})$/;

/** The ticket in a header's value and its signature, or null when it is none. */
export function readTicket(value: string): { readonly ticket: Ticket; readonly signature: string } | null {
  const [, expires = "", hubBootId = "", nodeBootId = "", nonce = "", bodyHash = "", signature = ""] =
    TICKET.exec(value) ?? [];
  if (signature === "") return null;
  return { ticket: { expiresMs: Number(expires), hubBootId, nodeBootId, nonce, bodyHash }, signature };
}

/** Path and query of an absolute URL, letter by letter as it stands there. */
export function pathIn(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3));
}
