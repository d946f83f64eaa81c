/** Tickets: what makes a request to a node one of this hub's. */
import { hashOf, type Identity, nonce } from "../../shared/identity.ts";
import { SIGNED_BOOT_ID } from "../../shared/protocol.ts";
import { pathIn, ticketText, UNSIGNED_BODY, writeTicket } from "../../shared/signed_text.ts";
import type { NodeRecord } from "../fleet/node_record.ts";

export interface TicketsDeps {
  readonly identity: Pick<Identity, "publicKey" | "sign">;
  /** Of this start of the hub. */
  readonly bootId: string;
  /** Monotonic milliseconds, those that its answers to heartbeats tell. */
  readonly now: () => number;
}

/** A request to a node, as far as its ticket goes. */
export interface Ticketed {
  /** `X-Request-Id`, or "". */
  readonly id: string;
  readonly method: string;
  /** Path and query on the node. */
  readonly path: string;
  /** Null for none; a stream's hash is not known before it is sent. */
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
}

export interface Tickets {
  /**
   * How to get a ticket for one sending of `request` to `node`, each time another: a ticket is good for one. Null for an
   * agent without a key, which does not know them.
   */
  for(node: Pick<NodeRecord, "id" | "publicKey" | "bootId">, request: Ticketed): (() => string) | null;
}

/** Milliseconds for which a ticket can be used. */
const LIFETIME_MS = 30_000;

const NOTHING = new Uint8Array(0);

/** Tickets signed by `identity`. */
export function createTickets({ identity, bootId: hubBootId, now }: TicketsDeps): Tickets {
  /** Of bodies that are sent to several nodes or by several addresses. */
  const hashes = new WeakMap<Uint8Array, string>();

  function hashOfBody(body: Ticketed["body"]): string {
    if (body instanceof ReadableStream) return UNSIGNED_BODY;
    const bytes = body ?? NOTHING;
    const known = hashes.get(bytes);
    if (known !== undefined) return known;
    const hash = hashOf(bytes);
    hashes.set(bytes, hash);
    return hash;
  }

  return {
    for(node, { id: requestId, method, path, body }) {
      if (node.publicKey === null) return null;
      const use = {
        hubKey: identity.publicKey,
        nodeId: node.id,
        requestId,
        method,
        // As fetch writes it.
        path: pathIn(new URL(`http://node${path}`).href),
      };
      return () => {
        const expiresMs = Math.round(now()) + LIFETIME_MS;
        // Read now: it may have been started again since the request was taken up.
        const nodeBootId = SIGNED_BOOT_ID.test(node.bootId ?? "") ? (node.bootId ?? "") : "";
        const ticket = { expiresMs, hubBootId, nodeBootId, nonce: nonce(), bodyHash: hashOfBody(body) };
        return writeTicket(ticket, identity.sign(ticketText(ticket, use)));
      };
    },
  };
}
