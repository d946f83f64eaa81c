/** What browsers are told about pages of other origins: done once for the whole hub, as Ollama does it. */
import type { MiddlewareHandler } from "hono";
import { type Clock, systemClock } from "../../shared/clock.ts";
import type { Logger } from "../../shared/log.ts";
import { HEADERS } from "../../shared/protocol.ts";
import { type AllowedOrigins, allowsAny, isSameOrigin, mayUse } from "../policy/origins.ts";
import { createRarely } from "../rarely.ts";

const ALLOW_ORIGIN = "Access-Control-Allow-Origin";

/**
 * Ollama's answer to a preflight, `X-Node-Id` for pages that use the hub's own routes, and what
 * Anthropic's SDK sends from a page, its key above all.
 */
const PREFLIGHT_HEADERS: Readonly<Record<string, string>> = {
  "Access-Control-Allow-Headers":
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,X-Stainless-Arch,X-Stainless-Async," +
    "X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os," +
    "X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime," +
    `X-Stainless-Runtime-Version,X-Stainless-Timeout,${shown(HEADERS.nodeId)},` +
    "X-Api-Key,Anthropic-Version,Anthropic-Beta,Anthropic-Dangerous-Direct-Browser-Access",
  "Access-Control-Allow-Methods": "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS",
  "Access-Control-Max-Age": "43200",
};

/** Origins written into the log in an hour at most; they are whatever a client says. */
const TOLD_ORIGINS = 100;
const TOLD_MS = 3_600_000;

/** What a page may read of an answer beside its body. Ollama exposes none of its headers, and has none like these. */
const EXPOSED = [
  ...[HEADERS.requestId, HEADERS.nodeId, HEADERS.attempts, HEADERS.queuePosition].map(shown),
  ...["Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"],
].join(",");

/** `x-node-id` as `X-Node-Id`, which is how Go writes every header's name. */
function shown(header: string): string {
  return header.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/**
 * Lets pages of `allowed` origins use the hub and refuses all others with an empty 403, also where no preflight comes
 * first. Belongs before everything that answers, so that errors, 404s and streams carry the headers too.
 */
export function cors(
  allowed: AllowedOrigins,
  log: Pick<Logger, "warn">,
  clock: Pick<Clock, "now"> = systemClock,
): MiddlewareHandler {
  const any = allowsAny(allowed);
  const rarely = createRarely(clock, TOLD_MS, TOLD_ORIGINS);
  return async (context, next) => {
    const origin = context.req.header("origin") ?? "";
    const host = context.req.header("host") ?? "";
    if (origin === "" || isSameOrigin(origin, host)) return next();
    if (!mayUse(origin, host, allowed)) {
      // A browser tells its user nothing; whoever runs the hub can at least read it here.
      if (rarely(origin)) {
        log.warn({ origin }, `refused a web page of ${origin}: OLLAMA_ORIGINS=${origin} would let it use this hub`);
      }
      return new Response(null, { status: 403 });
    }
    const allowOrigin = any ? "*" : origin;
    if (context.req.method === "OPTIONS") {
      return new Response(null, {
        status: 204,
        headers: {
          ...PREFLIGHT_HEADERS,
          [ALLOW_ORIGIN]: allowOrigin,
          // As gin-contrib/cors: a cache must not give one page's answer to another.
          ...(any ? {} : { Vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers" }),
        },
      });
    }
    await next();
    context.header(ALLOW_ORIGIN, allowOrigin);
    context.header("Access-Control-Expose-Headers", EXPOSED);
    if (!any) context.header("Vary", "Origin", { append: true });
    return;
  };
}
