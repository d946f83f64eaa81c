/** Logins to the dashboard: a signed cookie that names a key. Nothing is kept of it but those that were ended early. */
import { timingSafeEqual } from "node:crypto";
import type { Clock } from "../../shared/clock.ts";
import type { FoundKey, Keys } from "./keys.ts";

/** The cookie's name. */
export const COOKIE = "oc_session";
/** Seconds a login lasts. */
export const SESSION_SECONDS = 12 * 3600;
/** Logouts remembered; for more than that in half a day somebody has to log in ten times a minute. */
const MOST_ENDED = 10_000;

/** A cookie's value that this hub made, and whose half day is not over. */
interface Session {
  readonly keyId: string;
  readonly nonce: string;
}

export type Sessions = ReturnType<typeof createSessions>;

/** Sessions of `keys`: each lives as long as its key, half a day at most, and over restarts of the hub. */
export function createSessions(keys: Pick<Keys, "byId" | "sign">, clock: Pick<Clock, "wall">) {
  /** Nonces of sessions, of ours only: what somebody makes up is not worth remembering. */
  const ended = new Set<string>();
  const seconds = () => Math.floor(clock.wall().getTime() / 1000);

  /** What `value` stands for; null where it is none of ours, or too old. */
  function open(value: string): Session | null {
    if (value.length > 256) return null;
    const dot = value.lastIndexOf(".");
    const text = value.slice(0, dot);
    const mac = keys.sign(`session ${text}`);
    const [given, right] = [Buffer.from(value.slice(dot + 1)), Buffer.from(mac ?? "")];
    if (mac === null || given.byteLength !== right.byteLength || !timingSafeEqual(given, right)) return null;
    const [keyId = "", until = "0", nonce = ""] = text.split(".");
    return Number(until) > seconds() ? { keyId, nonce } : null;
  }

  return {
    /** Ended early and remembered. */
    get ended() {
      return ended.size;
    },

    /** The cookie's value for somebody who showed the key with this id; null while the hub is open. */
    begin(keyId: string): string | null {
      const text = `${keyId}.${seconds() + SESSION_SECONDS}.${crypto.randomUUID()}`;
      const mac = keys.sign(`session ${text}`);
      return mac === null ? null : `${text}.${mac}`;
    },

    /** The key behind the cookie's value, or null where it is none of ours, or over. */
    read(value: string): FoundKey | null {
      const session = open(value);
      return session === null || ended.has(session.nonce) ? null : keys.byId(session.keyId);
    },

    /** It is good for nothing from now on. */
    end(value: string): void {
      const session = open(value);
      if (session === null) return;
      ended.add(session.nonce);
      const [oldest] = ended;
      if (ended.size > MOST_ENDED && oldest !== undefined) ended.delete(oldest);
    },
  };
}
