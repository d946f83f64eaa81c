/** Where a request carries its key: in one of two headers, in its path, or as a login's cookie. Never in its query. */

import type { Context } from "hono";
import { getCookie } from "hono/cookie";
import { getPath } from "hono/utils/url";
import type { StoredKey } from "../access/key_file.ts";
import type { FoundKey, Keys } from "../access/keys.ts";
import { COOKIE, type Sessions } from "../access/sessions.ts";
import type { Credential } from "../policy/access.ts";

/** `/k/<key>/…`, for programs that cannot send a header, the `ollama` command above all. */
const PREFIX = /^\/k\/([^/]+)(\/.*)?$/s;

/** The path by which the router goes: without the key that may stand before it, which nobody sees from then on. */
export function routedPath(request: Request): string {
  const path = getPath(request);
  if (!path.startsWith("/k/")) return path;
  const [whole, , rest] = PREFIX.exec(path) ?? [];
  return whole === undefined ? path : (rest ?? "/");
}

/** True for a path as it came that has a key before it. */
export function hasKeyBefore(path: string): boolean {
  return PREFIX.test(path);
}

/** Whose request it is. */
export interface Holder {
  readonly credential: Credential;
  /** Null where the credential is no valid key. */
  readonly key: StoredKey | null;
  /** True where somebody wrote a key that is none: it mistook it, or guesses. A cookie nobody writes. */
  readonly guessed: boolean;
}

/** Whoever is not asked for a key, or shows none. */
export const STRANGER: Holder = { credential: { kind: "none" }, key: null, guessed: false };

/** Looks for the key of `context`'s request. */
export function holderOf(context: Context, keys: Pick<Keys, "find">, sessions: Pick<Sessions, "read">): Holder {
  const secrets = secretsOf(context.req.raw);
  const [secret, ...others] = secrets;
  if (others.length > 0) return { ...STRANGER, credential: { kind: "two" } };
  if (secret !== undefined) return held(keys.find(secret), false);
  const cookie = getCookie(context, COOKIE);
  const session = cookie === undefined ? null : sessions.read(cookie);
  // Without a login, or with one that is over, it is a stranger like any other.
  return session === null ? STRANGER : held(session, true);
}

function held(found: FoundKey, cookie: boolean): Holder {
  const { kind } = found;
  if (kind !== "key") return { credential: { kind }, key: null, guessed: kind === "unknown" && !cookie };
  return { credential: { kind, role: found.key.role, cookie }, key: found.key, guessed: false };
}

/** Every different one. Two headers of one name arrive as one with a comma, which no key has. */
function secretsOf(request: Request): Set<string> {
  const secrets = new Set<string>();
  // Other schemes are not for the hub: a proxy that asks for a password passes its visitors' `Basic` on.
  const bearer = /^bearer +(.*)$/is.exec(request.headers.get("authorization") ?? "")?.[1];
  if (bearer !== undefined) secrets.add(bearer.trim());
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
