/** Where a request carries its key: in one of two headers, in its path, or as a login's cookie. Never in its query. */

import type { Context } from "hono";
import { getCookie } from "hono/cookie";
import { getPath } from "hono/utils/url";
import type { StoredKey } from "../key_file.ts";
import type { FoundKey, Keys } from "../keys.ts";
import type { Credential } from "../policy/access.ts";
import { COOKIE, type Sessions } from "../sessions.ts";

/** `/k/<key>/…`, for programs that cannot send a header, the `ollama` command above all. */
const PREFIX = /^\/k\/([^/]+)(\/.*)?$/s;

/** The path by which the router goes: without the key that may stand before it, which nobody sees from then on. */
export function routedPath(request: Request): string {
  const path = getPath(request);
  if (!path.startsWith("/k/")) return path;
  const [whole, , rest] = PREFIX.exec(path) ?? [];
  return whole === undefined ? path : (rest ?? "/");
}

/** Whose request it is. */
export interface Holder {
  readonly credential: Credential;
  /** Null where the credential is no valid key. */
  readonly key: StoredKey | null;
}

/** Looks for the key of `context`'s request. */
export function holderOf(context: Context, keys: Pick<Keys, "find">, sessions: Pick<Sessions, "read">): Holder {
  const secrets = secretsOf(context.req.raw);
  const [secret, ...others] = secrets;
  if (others.length > 0) return { credential: { kind: "two" }, key: null };
  if (secret !== undefined) return held(keys.find(secret), false);
  const cookie = getCookie(context, COOKIE);
  const session = cookie === undefined ? null : sessions.read(cookie);
  // Without a login, or with one that is over, it is a stranger like any other.
  return session === null ? { credential: { kind: "none" }, key: null } : held(session, true);
}

function held(found: FoundKey, cookie: boolean): Holder {
  if (found.kind !== "key") return { credential: { kind: found.kind }, key: null };
  return { credential: { kind: "key", role: found.key.role, cookie }, key: found.key };
}

/** Every different one. Two headers of one name arrive as one with a comma, which no key has. */
function secretsOf(request: Request): Set<string> {
  const secrets = new Set<string>();
  const authorization = request.headers.get("authorization");
  if (authorization !== null) secrets.add(/^bearer +(.*)$/is.exec(authorization)?.[1]?.trim() ?? authorization);
  const apiKey = request.headers.get("x-api-key");
  if (apiKey !== null) secrets.add(apiKey.trim());
  const path = getPath(request);
  const inPath = path.startsWith("/k/") ? PREFIX.exec(path)?.[1] : undefined;
  if (inPath !== undefined) secrets.add(decoded(inPath));
  secrets.delete("");
  return secrets;
}

/** A key as it was before somebody wrote `%2F` for its `/`; the router's path has all else decoded already. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
