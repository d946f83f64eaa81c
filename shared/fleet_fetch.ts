/** The one way this system makes an HTTP request to its own machines: fetch with every surprising default turned off. */
import { X509Certificate } from "node:crypto";

export interface FleetRequest {
  readonly method?: "GET" | "POST" | "DELETE" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | ReadableStream<Uint8Array>;
  readonly signal: AbortSignal;
  /**
   * On a connection of its own. Only then does a body stream's first pull prove that the way to the other machine is
   * open now: on a kept connection it comes at once, also when every packet is lost since.
   */
  readonly fresh?: boolean;
  /** The only certificate (PEM) the other machine may show, whatever name is in it; null or absent for the usual ones. */
  readonly cert?: string | null;
}

export type FleetFetch = (url: string, request: FleetRequest) => Promise<Response>;

/**
 * Seconds an idle connection is kept for the next request. Far below the 30 s after which hub and node close idle
 * connections themselves, so that a request is not written to a connection that is just being closed: POST is never
 * sent again by Bun, the client would see the reset.
 */
const KEEP_IDLE_SECONDS = 4;

export interface FleetFetchOptions {
  readonly useEnvironmentProxy?: boolean;
  /** What this machine shows where it is asked for a certificate; read for every connection. */
  readonly ownCert?: () => { readonly cert: string; readonly key: string } | null;
  /** The authority (PEM) of those it connects to, or their certificate itself; null for the usual authorities. */
  readonly authority?: string | null;
}

/**
 * A fetch for traffic between hub, node and Ollama.
 *
 * - no redirect is followed: a node that answers 302 could point anywhere;
 * - nothing is decompressed: bodies pass through as they are;
 * - `http_proxy` and its like are not obeyed, unless `useEnvironmentProxy`: they would see every prompt;
 * - Bun's silent limit of six minutes without data is off: every caller brings a signal.
 */
export function createFleetFetch(options: FleetFetchOptions = {}): FleetFetch {
  const { ownCert = () => null, authority = null } = options;
  const session = new Bun.FetchSession({ keepAlive: { idleTimeout: KEEP_IDLE_SECONDS } });
  const proxy = options.useEnvironmentProxy ? {} : { proxy: false as const };
  const tlsFor = (pinned: string | null) => {
    const own = ownCert();
    return {
      ...(own === null ? {} : { cert: own.cert, key: own.key }),
      ...(authority === null ? {} : { ca: authority }),
      // Self-signed is fine, and says no name: it is this very certificate or none.
      ...(pinned === null ? {} : { ca: pinned, checkServerIdentity: onlyLeafOf(pinned) }),
    };
  };
  return (url, request) =>
    session.fetch(url, {
      method: request.method ?? "GET",
      headers: { "accept-encoding": "identity", ...request.headers },
      signal: request.signal,
      redirect: "manual",
      decompress: false,
      timeout: false,
      ...(request.fresh ? { keepalive: false } : {}),
      ...proxy,
      ...(url.startsWith("https:") ? { tls: tlsFor(request.cert ?? null) } : {}),
      ...(request.body === undefined ? {} : { body: request.body }),
    });
}

/** The check of a certificate that is none of a name: an authority in `pem` may have signed others, too. */
function onlyLeafOf(pem: string): (host: string, shown: { readonly fingerprint256?: string }) => Error | undefined {
  return (host, { fingerprint256 }) =>
    fingerprint256 !== undefined && fingerprint256 === fingerprintOf(pem)
      ? undefined
      : new Error(`what answers at ${host} shows another certificate than the one that is expected`);
}

/** Of certificates that were expected lately; the oldest goes first. */
const fingerprints = new Map<string, string | null>();
const MOST_FINGERPRINTS = 1024;

/** SHA-256 of the first certificate in `pem`, null where there is none. */
function fingerprintOf(pem: string): string | null {
  const known = fingerprints.get(pem);
  if (known !== undefined) return known;
  if (fingerprints.size >= MOST_FINGERPRINTS) fingerprints.delete(fingerprints.keys().next().value ?? "");
  let found: string | null = null;
  try {
    found = new X509Certificate(pem).fingerprint256;
  } catch {
    // Somebody else's word; nothing fits it.
  }
  fingerprints.set(pem, found);
  return found;
}

/** Error codes of Bun's fetch that prove that no connection stood, so nothing was delivered: as of Bun 1.4.5, measured. */
const NOT_CONNECTED = new Set([
  "ECONNREFUSED",
  "ConnectionRefused",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "EACCES",
  "EPERM",
  "EADDRNOTAVAIL",
  "EINVAL",
  "ETIMEDOUT",
  "ERR_INVALID_URL",
  "EAI_AGAIN",
  "ENOTFOUND",
  "FailedToOpenSocket",
]);

/** True when `error`, thrown by fetch, proves that the request never left this machine. */
export function neverConnected(error: unknown): boolean {
  return NOT_CONNECTED.has(errorCode(error));
}

/** The `code` of a system error as text, or "" where there is none. */
export function errorCode(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/** The body of `response` as text. Rejects, and stops reading, when it is larger than `limit` bytes. */
export async function readText(response: Response, limit: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.byteLength;
    // Leaving the loop cancels the body.
    if (size > limit) throw new Error(`the answer is larger than ${limit} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}
