/** Which addresses of a node the hub may connect to, whatever the node says. */
import { type Address, canBeDialled, scopeOf } from "../../shared/address.ts";

export interface DialFacts {
  /** Where the heartbeat came from; null when that could not be seen: then not from this machine. */
  readonly source: Address | null;
  /** Port the node says it listens on. */
  readonly port: number;
  /** Port this hub listens on; null when it is not known. */
  readonly hubPort: number | null;
  /** True for an address of the hub's own machine. */
  readonly isOwn: (address: Address) => boolean;
}

/** Services of clouds that give out keys to whoever asks from inside (faults.md D5), beside those of 169.254/16. */
const METADATA = new Set(["fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"]);

/** Null when the hub may connect to `address`, else why not. */
export function whyNotDialable(address: Address, { source, port, hubPort, isOwn }: DialFacts): string | null {
  if (!canBeDialled(address)) return "it reaches one link only, or nobody";
  if (METADATA.has(address.text)) return "it is a cloud's metadata service";
  if (address.family === "IPv6" && isTransition(address.text)) return "it stands for an IPv4 address behind a gateway";
  const isLoopback = scopeOf(address) === "loopback";
  // From another machine it names the hub's own one.
  if (isLoopback && (source === null || scopeOf(source) !== "loopback")) return "it is the hub's own loopback";
  if (port === hubPort && (isLoopback || isOwn(address))) return "it is the hub itself";
  return null;
}

/** IPv4-compatible (::/96), NAT64 (64:ff9b::/32, RFC 8215 too), 6to4 (2002::/16) and Teredo (2001::/32). */
function isTransition(text: string): boolean {
  if (text === "::1") return false;
  const groups = expand(text);
  if (groups.slice(0, 6).every((group) => group === 0)) return true;
  const [first, second] = groups;
  return (first === 0x64 && second === 0xff9b) || first === 0x2002 || (first === 0x2001 && second === 0);
}

/** The eight groups of a canonical IPv6 address. */
function expand(text: string): number[] {
  const [head = "", tail] = text.split("::", 2);
  const numbers = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [before, after] = [numbers(head), numbers(tail ?? "")];
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}
