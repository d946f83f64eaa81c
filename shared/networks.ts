/** Which addresses are near: this machine, networks of one's own, and those that whoever runs the hub calls so. */
import { type Address, groupsOf, isNearby, parseAddress, scopeOf } from "./address.ts";

interface Network {
  readonly family: Address["family"];
  /** All bits of its first address, as "0" and "1". */
  readonly bits: string;
}

/** Networks as they were written, `192.0.2.0/24` or `2001:db8::/56`, and read. */
export interface Networks {
  readonly written: readonly string[];
  readonly parsed: readonly Network[];
}

/** None at all. */
export const NO_NETWORKS: Networks = { written: [], parsed: [] };

/** Reads a comma list of networks. Throws an Error that names the bad entry and what would be right. */
export function parseNetworks(text: string): Networks {
  const written = text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  return { written, parsed: written.map(parseNetwork) };
}

function parseNetwork(entry: string): Network {
  const [before = "", length, ...more] = entry.split("/");
  const address = parseAddress(before);
  if (address !== null && more.length === 0 && !before.includes("%")) {
    const bits = bitsOf(address);
    const wanted = length === undefined ? bits.length : /^\d{1,3}$/.test(length) ? Number(length) : 0;
    // A network of everything is a mistake: with it there is no rule left.
    if (wanted >= 1 && wanted <= bits.length) return { family: address.family, bits: bits.slice(0, wanted) };
  }
  throw new Error(`has the entry "${entry}", which is no network such as 192.0.2.0/24 or 2001:db8:1::/48`);
}

/** True for an address in one of `networks`. */
export function isIn({ parsed }: Networks, address: Address): boolean {
  if (parsed.length === 0) return false;
  const bits = bitsOf(address);
  return parsed.some((network) => network.family === address.family && bits.startsWith(network.bits));
}

/**
 * True for a source that an open hub trusts: loopback, RFC 1918, unique-local, link-local, 100.64/10, or one of
 * `trusted`. Public IPv6 addresses of the same home are none: nothing in them says whose they are.
 */
export function isNear(source: Address | null, trusted: Networks): boolean {
  if (source === null) return false;
  return isNearby(source) || isIn(trusted, source);
}

/**
 * Whose an address is, as far as sharing goes: itself, and of IPv6 the /64 it lies in, of which every machine can use as
 * many addresses as it likes. "" for one that is not known any more.
 */
export function sourceOf(address: Address | null): string {
  if (address === null) return "";
  if (address.family === "IPv4" || scopeOf(address) === "loopback") return address.text;
  const [, zone = ""] = /(%.*)$/.exec(address.text) ?? [];
  const network = groupsOf(address.text).slice(0, 4);
  return `${network.map((group) => group.toString(16)).join(":")}::/64${zone}`;
}

function bitsOf({ family, text }: Address): string {
  if (family === "IPv4")
    return text
      .split(".")
      .map((part) => toBits(Number(part), 8))
      .join("");
  return groupsOf(text)
    .map((group) => toBits(group, 16))
    .join("");
}

function toBits(value: number, length: number): string {
  return value.toString(2).padStart(length, "0");
}
