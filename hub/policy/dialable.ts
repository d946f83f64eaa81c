/** Which addresses of a node the hub may connect to, whatever the node says. */
import { type Address, canBeDialled, groupsOf, scopeOf } from "../../shared/address.ts";
import { isIn, parseNetworks } from "../../shared/networks.ts";

/** An address seen from the hub's machine: its own, a network's broadcast, in a network of one's own, or none of these. */
export type Place = "own" | "broadcast" | "on link" | "elsewhere";

export interface DialFacts {
  /** Where the heartbeat came from; null when that could not be seen: then not from this machine. */
  readonly source: Address | null;
  /** Port the node says it listens on. */
  readonly port: number;
  /** Port this hub listens on; null when it is not known. */
  readonly hubPort: number | null;
  readonly whereIs: (address: Address) => Place;
  /** Whether the node has a key: then it has to prove that it is there before anything is sent to it. */
  readonly hasKey: boolean;
}

/** Services of clouds that give out keys to whoever asks from inside, beside those of 169.254/16. */
const METADATA = new Set(["fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"]);
/** Protocol assignments, benchmarks, and the site-local addresses IPv6 once had: nobody's node is there. */
const NOBODYS = parseNetworks("192.0.0.0/24, 198.18.0.0/15, fec0::/10");
/** Below it are the services of systems, some of which obey what they are sent. A node needs none of these ports. */
const LOWEST_PORT = 1024;
const REDIS_PORT = 6379;
const OLLAMA_PORT = 11434;

/** Null when the hub may connect to `address`, else why not. */
export function whyNotDialable(address: Address, facts: DialFacts): string | null {
  const { source, port, hubPort, whereIs, hasKey } = facts;
  if (!canBeDialled(address)) return "it reaches one link only, or nobody";
  if (METADATA.has(address.text)) return "it is a cloud's metadata service";
  if (isIn(NOBODYS, address)) return "it is in a network that has no machines";
  if (address.family === "IPv6" && isTransition(address.text)) return "it stands for an IPv4 address behind a gateway";
  if (port < LOWEST_PORT || port === REDIS_PORT) return "its port is that of another service";
  const isLoopback = scopeOf(address) === "loopback";
  // From another machine it names the hub's own one.
  if (isLoopback && (source === null || scopeOf(source) !== "loopback")) return "it is the hub's own loopback";
  const place = isLoopback ? "own" : whereIs(address);
  if (place === "broadcast") return "it is everybody of a network";
  if (place === "own" && port === hubPort) return "it is the hub itself";
  if (place === "own" && port === OLLAMA_PORT) return "it is the Ollama of the hub's machine";
  return hasKey || address.text === source?.text ? null : whyNotBelieved(address, place, facts);
}

/** What an older agent says of addresses other than the one it speaks from is a stranger's word: nothing proves it. */
function whyNotBelieved(address: Address, place: Place, { source, whereIs }: DialFacts): string | null {
  if (place === "own") {
    const fromHere = source !== null && (scopeOf(source) === "loopback" || whereIs(source) === "own");
    return fromHere ? null : "it is the hub's own machine";
  }
  if (scopeOf(address) === "global" && place !== "on link")
    return "it is a public address, and not where it speaks from";
  return null;
}

/**
 * IPv4-compatible (::/96), IPv4-translated (::ffff:0:0:0/96), NAT64 (64:ff9b::/32, RFC 8215 too), 6to4 (2002::/16) and
 * Teredo (2001::/32).
 */
function isTransition(text: string): boolean {
  if (text === "::1") return false;
  const groups = groupsOf(text);
  if (groups.slice(0, 4).every((group) => group === 0) && groups[5] === 0) return true;
  const [first, second] = groups;
  return (first === 0x64 && second === 0xff9b) || first === 0x2002 || (first === 0x2001 && second === 0);
}
