/** Whether a request comes from the hub this node trusts: its ticket, checked once, before anything is read or done. */

import type { Address } from "../shared/address.ts";
import { verify } from "../shared/identity.ts";
import { HEADERS } from "../shared/protocol.ts";
import { pathIn, readTicket, type Ticket, ticketText, UNSIGNED_BODY } from "../shared/signed_text.ts";
import { whyNotOlderHub } from "./older_hub.ts";

/** The hub's time, as it told last in an answer that it signed. */
export interface HubTime {
  readonly hubBootId: string;
  /** Its milliseconds minus this machine's monotonic ones, when the answer came. */
  readonly offsetMs: number;
}

/** Whom the node trusts now. */
export interface Trusted {
  /** Null while it trusts nobody in particular. */
  readonly hubKey: string | null;
  /** Null before the first answer since this node was started. */
  readonly time: HubTime | null;
  /** A hub without a key, which knows no tickets, has taken this node in. */
  readonly keyless: boolean;
}

export interface TicketGateDeps {
  readonly nodeId: string;
  /** Of this start of the node. */
  readonly bootId: string;
  readonly trusted: () => Trusted;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** A ticket that is the hub's own came too late or too early to tell: its time has to be heard anew. */
  readonly onStale: () => void;
  /** Told in one sentence of every request that was turned away. */
  readonly onRefused: (why: string) => void;
}

export type Admission =
  /** `bodyHash`: what the body has to hash to; null where that need not be looked at. */
  | { readonly kind: "admitted"; readonly bodyHash: string | null }
  | {
      readonly kind: "refused";
      readonly detail: string;
      /** The hub may have sent it, and should try again. */
      readonly stale: boolean;
      /** Which answer of the hub's may let it in: the first one since this node was started, the next one, or none. */
      readonly awaits: "first" | "next" | null;
    };

/** `source` is null where it is not known. */
export type TicketGate = (
  request: Pick<Request, "url" | "method" | "headers">,
  isBlob: boolean,
  source: Address | null,
) => Admission;

/** Nonces that are remembered at once. More in 30 s, and the oldest tickets that have not come yet are void. */
const MOST_NONCES = 65_536;
/** Milliseconds a ticket may be ahead of the hub's time as known here: 30 s to live and what an answer takes. */
const LONGEST_AHEAD_MS = 40_000;

/** A gate that has let nobody in yet. */
export function createTicketGate({ nodeId, bootId, trusted, now, onStale, onRefused }: TicketGateDeps): TicketGate {
  /** Used nonces with their expiry, in the order in which they came. */
  const used = new Map<string, number>();
  /** Tickets that expire up to here are void: their nonces may be forgotten. */
  let floorMs = Number.NEGATIVE_INFINITY;
  let bootOfNonces = "";

  function refuse(detail: string, awaits: "first" | null = null): Admission {
    onRefused(detail);
    return { kind: "refused", detail, stale: false, awaits };
  }

  function refuseAsStale(detail: string, awaits: "next" | null): Admission {
    onRefused(detail);
    onStale();
    return { kind: "refused", detail, stale: true, awaits };
  }

  function judgeTicketless(
    request: Parameters<TicketGate>[0],
    source: Address | null,
    { hubKey, keyless }: Trusted,
  ): Admission {
    if (hubKey !== null) return refuse("this node works for its hub only: the request has no ticket of the hub");
    if (!keyless) return refuse("no hub has taken this node in yet, so it works for nobody", "first");
    const why = whyNotOlderHub(request, source);
    return why === null ? { kind: "admitted", bodyHash: null } : refuse(why);
  }

  /** Null when it may be used now. Otherwise a sentence. */
  function whyNotNow({ hubBootId, expiresMs }: Ticket, time: HubTime | null): string | null {
    if (time === null || time.hubBootId !== hubBootId) {
      return "the ticket is of a start of the hub that this node has not heard of yet";
    }
    const hubNow = now() + time.offsetMs;
    if (expiresMs < hubNow) return "the ticket has expired";
    if (expiresMs > hubNow + LONGEST_AHEAD_MS) return "the ticket is from the future";
    return null;
  }

  /** False when it was used before, or may have been. */
  function useOnce({ nonce, expiresMs, hubBootId }: Ticket, hubNow: number): boolean {
    if (hubBootId !== bootOfNonces) {
      used.clear();
      floorMs = Number.NEGATIVE_INFINITY;
      bootOfNonces = hubBootId;
    }
    if (expiresMs <= floorMs || used.has(nonce)) return false;
    used.set(nonce, expiresMs);
    for (const [oldest, expires] of used) {
      if (expires >= hubNow && used.size <= MOST_NONCES) break;
      used.delete(oldest);
      floorMs = Math.max(floorMs, expires);
    }
    return true;
  }

  return (request, isBlob, source) => {
    const known = trusted();
    const { hubKey, time } = known;
    const value = request.headers.get(HEADERS.ticket);
    if (value === null) return judgeTicketless(request, source, known);
    const read = readTicket(value);
    if (read === null) return refuse("the ticket is malformed");
    if (hubKey === null) return refuseAsStale("this node has not heard from its hub yet", "next");
    const { ticket, signature } = read;
    const requestId = request.headers.get(HEADERS.requestId) ?? "";
    const use = { hubKey, nodeId, requestId, method: request.method, path: pathIn(request.url) };
    if (!verify(hubKey, ticketText(ticket, use), signature)) {
      return refuse("the ticket is not one of this node's hub for this request");
    }
    if (ticket.bodyHash === UNSIGNED_BODY && !isBlob) return refuse("the ticket says nothing of the body");
    // What was used then is forgotten. Nothing that is heard changes the ticket: the hub has to write another one.
    if (ticket.nodeBootId !== bootId) return refuseAsStale("the ticket is for another start of this node", null);
    const untimely = whyNotNow(ticket, time);
    if (untimely !== null) return refuseAsStale(untimely, "next");
    if (!useOnce(ticket, now() + (time?.offsetMs ?? 0))) return refuse("the ticket was used before");
    return { kind: "admitted", bodyHash: ticket.bodyHash === UNSIGNED_BODY ? null : ticket.bodyHash };
  };
}
