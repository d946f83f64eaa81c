/** IP addresses as values: parsed once at the border, canonical inside. */
import { isIPv4, isIPv6 } from "node:net";

export type Family = "IPv6" | "IPv4";

/** How far an address reaches. `special` is what nobody can be reached at: unspecified, multicast, broadcast. */
export type Scope = "loopback" | "link-local" | "private" | "global" | "special";

export interface Address {
  readonly family: Family;
  /** Canonical text: RFC 5952 for IPv6, dotted quad for IPv4; a zone (`%eth0`) is kept. */
  readonly text: string;
}

/**
 * The address `text` stands for, or null. An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`, what a dual-stack socket
 * reports for an IPv4 peer) is IPv4.
 */
export function parseAddress(text: string): Address | null {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  if (isIPv4(bare)) return { family: "IPv4", text: bare };
  if (!isIPv6(bare)) return null;
  const [host = "", zone] = bare.split("%", 2);
  // The URL parser writes IPv6 as RFC 5952 does; it takes no zone, so the zone is put back afterwards. Bun's also
  // refuses some valid addresses with a dotted quad at their end (::1:0:0:0:192.0.2.1), so it gets hexadecimal groups.
  const canonical = new URL(`http://[${host.replace(/[^:]+\.[^:]+$/, hexGroups)}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped) {
    const high = Number.parseInt(mapped[1] ?? "", 16);
    const low = Number.parseInt(mapped[2] ?? "", 16);
    return { family: "IPv4", text: `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}` };
  }
  return { family: "IPv6", text: zone === undefined ? canonical : `${canonical}%${zone}` };
}

/** `192.0.2.1` as the last two groups of an IPv6 address. */
function hexGroups(dottedQuad: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = dottedQuad.split(".").map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

/** The eight groups of a canonical IPv6 address, without its zone. */
export function groupsOf(text: string): number[] {
  const [head = "", tail] = text.replace(/%.*/, "").split("::");
  const numbers = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [before, after] = [numbers(head), numbers(tail ?? "")];
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<number>(zeros).fill(0), ...after];
}

/** Where `address` is valid (RFC 1918, 3927, 4193, 4291, 6598). */
export function scopeOf(address: Address): Scope {
  return address.family === "IPv4" ? scopeOfIPv4(address.text) : scopeOfIPv6(address.text);
}

/** True for an address of this machine or of a network of one's own; public IPv6 addresses of the same home are none. */
export function isNearby(address: Address): boolean {
  const scope = scopeOf(address);
  return scope === "loopback" || scope === "private" || scope === "link-local";
}

/** True when a URL can name it and a connection can be made: not bound to a zone, not link-local or special. */
export function canBeDialled(address: Address): boolean {
  const scope = scopeOf(address);
  // fetch and URL take no zone, so an IPv6 link-local address cannot be dialled; 169.254/16 can, but is never routed.
  return scope !== "link-local" && scope !== "special" && !address.text.includes("%");
}

/** `http://…` origin for an address and a port, with the brackets IPv6 needs. */
export function originOf(address: Address, port: number): string {
  return address.family === "IPv6" ? `http://[${address.text}]:${port}` : `http://${address.text}:${port}`;
}

function scopeOfIPv4(text: string): Scope {
  const [a = 0, b = 0] = text.split(".").map(Number);
  if (a === 127) return "loopback";
  if (a === 169 && b === 254) return "link-local";
  if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 100 && b >= 64 && b < 128)) {
    return "private";
  }
  return a === 0 || a >= 224 ? "special" : "global";
}

function scopeOfIPv6(text: string): Scope {
  if (text === "::1") return "loopback";
  if (text === "::") return "special";
  const first = Number.parseInt(text.split(":", 1)[0] || "0", 16);
  if ((first & 0xffc0) === 0xfe80) return "link-local";
  if ((first & 0xfe00) === 0xfc00) return "private";
  return (first & 0xff00) === 0xff00 ? "special" : "global";
}
