/** By which names an open hub may be called: a page of a name that its owner points at this machine must not reach it. */
import { parseAddress } from "../../shared/address.ts";

/** Endings that nobody can register, so that whoever answers for them is in this network. */
const LOCAL_ENDINGS = [".localhost", ".local", ".lan", ".internal", ".home.arpa"];

/** A `Host` header: a name, an IPv4 address or an IPv6 address in brackets, and perhaps a port. */
const WELL_FORMED = /^(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(?::\d{1,5})?$/i;

/** True for one host, written as a client has to write it (RFC 9110 section 7.2). Two headers arrive with a comma. */
export function isWellFormedHost(host: string): boolean {
  return WELL_FORMED.test(host);
}

/** The host without its port, in lower case, without the dot that ends a full name. */
export function hostNameOf(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

/**
 * True where `host`, a well-formed `Host` header, can only be meant by somebody in this network: an address, a single
 * label, this machine's own name, an ending for networks of one's own, or one of `allowed` (`*.example.org` for all
 * below it). DNS rebinding needs a name that its owner can point anywhere.
 */
export function isLocalHost(host: string, ownName: string, allowed: readonly string[]): boolean {
  const name = hostNameOf(host);
  if (name === "") return false;
  if (parseAddress(name) !== null || !name.includes(".")) return true;
  if (name === ownName.toLowerCase() || LOCAL_ENDINGS.some((ending) => name.endsWith(ending))) return true;
  return allowed.some((entry) => (entry.startsWith("*.") ? name.endsWith(entry.slice(1)) : name === entry));
}

/** Reads the comma list of `ALLOWED_HOSTS`. Throws an Error that names the bad entry and what would be right. */
export function parseHosts(text: string): readonly string[] {
  const entries = text
    .split(",")
    .map((entry) => entry.trim().toLowerCase().replace(/\.$/, ""))
    .filter((entry) => entry !== "");
  for (const entry of entries) {
    if (!/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(entry)) {
      throw new Error(`has the entry "${entry}", which is no name such as hub.example.org or *.example.org`);
    }
  }
  return entries;
}
