/** Listening on every address of both families, and the guard every request passes before the router sees it. */
import type { Server } from "bun";
import type { Tls } from "./tls.ts";

export type HttpServer = Server<undefined>;

export interface ListenOptions {
  /** 0 takes any free port. */
  readonly port: number;
  /** "::" (both families) unless told otherwise. */
  readonly hostname?: string;
  /** Bytes of a request body; Bun answers 413 with an empty body above it. */
  readonly maxRequestBodySize?: number;
  /** https with this certificate; http without. */
  readonly tls?: Tls | null;
  /** IDLE_TIMEOUT_SECONDS unless told otherwise. */
  readonly idleTimeoutSeconds?: number;
  readonly fetch: (request: Request, server: HttpServer) => Response | Promise<Response>;
  /** Told in one sentence when the machine has no IPv6. */
  readonly onFallback?: (sentence: string) => void;
}

/**
 * Seconds without progress after which a connection is closed while a request is being read. It is the protection
 * against slow bodies, so it stays on; a route that answers slowly lifts it for its own request with
 * `server.timeout(request, 0)` once the body is there.
 */
export const IDLE_TIMEOUT_SECONDS = 30;

/** A port that could not be opened; the message says what to do. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/**
 * Listens on `::`, which takes IPv4 connections as well; where the machine's kernel has no IPv6, on `0.0.0.0`.
 * Throws ListenError when the port is taken or the address is not this machine's.
 */
export function listen(options: ListenOptions): HttpServer {
  const hostname = options.hostname ?? "::";
  try {
    return serve(options, hostname);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (hostname === "::" && (code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL")) {
      options.onFallback?.("this machine has no IPv6: listening on 0.0.0.0, IPv4 only");
      return serve(options, "0.0.0.0");
    }
    if (code === "EADDRINUSE") {
      throw new ListenError(
        `port ${options.port} is in use: stop the program that has it (ss -ltnp | grep :${options.port}) or set another port (PORT for a hub, NODE_PORT for a node)`,
        { cause: error },
      );
    }
    if (code === "EADDRNOTAVAIL") throw new ListenError(`this machine does not have the address ${hostname}`);
    throw new ListenError(`cannot listen on [${hostname}]:${options.port}: ${String(error)}`, { cause: error });
  }
}

function serve(options: ListenOptions, hostname: string): HttpServer {
  return Bun.serve({
    hostname,
    // Bun would print a stack trace to stderr for every stream that ends in an error on purpose.
    development: false,
    // With `development: false` Bun 1.4.5 sets SO_REUSEPORT unless told not to: a second hub on the same port would start
    // without a word and get half of the connections.
    reusePort: false,
    port: options.port,
    idleTimeout: options.idleTimeoutSeconds ?? IDLE_TIMEOUT_SECONDS,
    ...(options.tls ? { tls: tlsOf(options.tls) } : {}),
    ...(options.maxRequestBodySize === undefined ? {} : { maxRequestBodySize: options.maxRequestBodySize }),
    fetch: (request, server) => (isRoutable(request) ? options.fetch(request, server) : badHost()),
    error: () => Response.json({ detail: "Internal error" }, { status: 500 }),
  });
}

function tlsOf({ cert, key, clientCa }: Tls) {
  return { cert, key, ...(clientCa === null ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }) };
}

/** A server whose certificate can be changed while it works. */
export interface Listener {
  /** The one that takes connections now. */
  readonly server: HttpServer;
  /**
   * Takes new connections with this certificate; those that stand go on with the old one to their end. Where it cannot be
   * used, throws ListenError and goes on with the old one for new connections too.
   */
  renew(tls: Tls): void;
  /** Takes no more connections, and resolves when the last one has ended; at once when `force` cuts them. */
  stop(force?: boolean): Promise<void>;
}

/** Listens as `listen` does. Throws ListenError. */
export function startListener(options: ListenOptions): Listener {
  let server = listen(options);
  let inUse = options.tls ?? null;
  const former = new Set<HttpServer>();
  return {
    get server() {
      return server;
    },
    renew(tls) {
      const { port = options.port } = server;
      const old = server;
      // Bun's `reload` leaves the certificate as it is. A stopped server frees its port within the same turn.
      former.add(old);
      void old.stop().then(() => former.delete(old));
      try {
        server = listen({ ...options, port, tls });
        inUse = tls;
      } catch (error) {
        server = listen({ ...options, port, tls: inUse });
        throw error;
      }
    },
    async stop(force = false) {
      await Promise.all([server, ...former].map((each) => each.stop(force)));
    },
  };
}

/**
 * False for a request whose Host header makes `request.url` relative or unparsable. Hono would then take the first path
 * segment for the host and route `/x/nodes` as `/nodes`.
 */
function isRoutable(request: Request): boolean {
  // Two Host headers arrive as one with a comma; which of them counts, nobody knows.
  return URL.canParse(request.url) && !request.headers.get("host")?.includes(",");
}

function badHost(): Response {
  return Response.json({ detail: "The Host header is missing or malformed" }, { status: 400 });
}

/** The peer's address without the IPv4-mapped prefix that a dual-stack socket shows, or "" when it is gone already. */
export function peerAddress(server: HttpServer, request: Request): string {
  const address = server.requestIP(request)?.address ?? "";
  return address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
