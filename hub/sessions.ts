/** Logins to the dashboard: a signed cookie that names a key. Nothing is kept of it but those that were ended early. */
import { timingSafeEqual } from "node:crypto";
import type { Clock } from "../shared/clock.ts";
import type { FoundKey, Keys } from "./keys.ts";

export const COOKIE = "oc_session";
/** Seconds a login lasts. */
export const SESSION_SECONDS = 12 * 3600;
/** Logouts remembered; more than that in half a day nobody makes. */
const MOST_ENDED = 10_000;

export type Sessions = ReturnType<typeof createSessions>;

/** Sessions of `keys`: each lives as long as its key, half a day at most, and over restarts of the hub. */
export function createSessions(keys: Pick<Keys, "byId" | "sign">, clock: Pick<Clock, "wall">) {
  const ended = new Set<string>();
  const seconds = () => Math.floor(clock.wall().getTime() / 1000);

  return {
    /** The cookie's value for somebody who showed the key with this id; null while the hub is open. */
    begin(keyId: string): string | null {
      const text = `${keyId}.${seconds() + SESSION_SECONDS}.${crypto.randomUUID()}`;
      const mac = keys.sign(`session ${text}`);
      return mac === null ? null : `${text}.${mac}`;
    },

    /** The key behind the cookie's value, or null where it is none of ours, or over. */
    read(value: string): FoundKey | null {
      if (value.length > 256 || ended.has(value)) return null;
      const dot = value.lastIndexOf(".");
      const text = value.slice(0, dot);
      const mac = keys.sign(`session ${text}`);
      const [given, right] = [Buffer.from(value.slice(dot + 1)), Buffer.from(mac ?? "")];
      if (mac === null || given.byteLength !== right.byteLength || !timingSafeEqual(given, right)) return null;
      const [keyId = "", until = "0"] = text.split(".");
      if (!(Number(until) > seconds())) return null;
      return keys.byId(keyId);
    },

    /** It is good for nothing from now on. */
    end(value: string): void {
      ended.add(value);
      const [oldest] = ended;
      if (ended.size > MOST_ENDED && oldest !== undefined) ended.delete(oldest);
    },
  };
}
