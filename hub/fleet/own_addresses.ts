/** Where an address is, seen from the machine this hub runs on. */
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { type Address, parseAddress } from "../../shared/address.ts";
import { isIn, type Networks, parseNetworks } from "../../shared/networks.ts";
import type { Place } from "../policy/dialable.ts";

/** Milliseconds for which what the system said of its interfaces holds: heartbeats of a large fleet come every few. */
const LOOK_MS = 5_000;

interface Look {
  readonly own: ReadonlySet<string>;
  readonly broadcasts: ReadonlySet<string>;
  readonly links: Networks;
}

/**
 * What an address is to this machine. `trusted` are networks that its operator calls their own; a home's public IPv6
 * addresses are known by being in the same network as this machine's.
 */
export function placesOfMachine(
  trusted: Networks,
  interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces,
  now: () => number = () => performance.now(),
): (address: Address) => Place {
  let look = lookAt(interfaces());
  let lookedAt = now();
  return (address) => {
    if (now() - lookedAt >= LOOK_MS) {
      look = lookAt(interfaces());
      lookedAt = now();
    }
    if (look.own.has(address.text)) return "own";
    if (look.broadcasts.has(address.text)) return "broadcast";
    return isIn(look.links, address) || isIn(trusted, address) ? "on link" : "elsewhere";
  };
}

function lookAt(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): Look {
  const all = Object.values(interfaces).flatMap((each) => each ?? []);
  const cidrs = all.flatMap(({ cidr }) => (cidr === null || cidr.includes("%") || cidr.endsWith("/0") ? [] : [cidr]));
  return {
    own: new Set(all.flatMap(({ address }) => parseAddress(address)?.text ?? [])),
    broadcasts: new Set(cidrs.flatMap((cidr) => broadcastOf(cidr) ?? [])),
    // Neighbours by public IPv4 are those of a data centre: strangers.
    links: parseNetworks(cidrs.filter((cidr) => cidr.includes(":")).join()),
  };
}

/** The last address of the IPv4 network `cidr`, or null where that is a machine's. */
function broadcastOf(cidr: string): string | null {
  const [text = "", length] = cidr.split("/");
  const [address, prefix] = [parseAddress(text), Number(length)];
  if (address?.family !== "IPv4" || prefix > 30) return null;
  const size = 2 ** (32 - prefix);
  const first = address.text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const last = Math.floor(first / size) * size + size - 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(last / 2 ** shift) % 256).join(".");
}
