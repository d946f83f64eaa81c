/** Which of this machine's addresses the node tells the hub: at most one of each family. */
import { networkInterfaces } from "node:os";
import { type Address, type Family, groupsOf, parseAddress, type Scope, scopeOf } from "../shared/address.ts";
import type { Advertise } from "./config.ts";

/** An address of a network interface. */
export interface InterfaceAddress {
  readonly name: string;
  /** With its zone (`%eth0`) when it is a link-local IPv6 address. */
  readonly address: Address;
  /** Set by IPv6 privacy extensions: changes every few hours. */
  readonly temporary: boolean;
  /** Still answered, not to be used for anything new. */
  readonly deprecated: boolean;
}

export interface AddressFacts {
  /** The local address the system would use towards the internet, when there is a route. */
  readonly outbound: Address | null;
  readonly interfaces: readonly InterfaceAddress[];
}

export interface AdvertisedAddresses {
  readonly ipv4: string | null;
  readonly ipv6: string | null;
}

/** Interfaces that lead to containers and virtual machines on this host, never to another machine of the fleet. */
const VIRTUAL = /^(docker|br-|veth|virbr|cni|flannel|cali|podman|lxc|lxd|vmnet|vboxnet)/;

const REACH: Readonly<Record<Scope, number>> = { global: 0, private: 1, "link-local": 2, loopback: 9, special: 9 };

/**
 * The address of `family` to advertise, or null. In this order: what the operator says; the address the system uses
 * towards the internet, unless it is a temporary one and a lasting one of the same network exists; the interface address
 * that reaches farthest. A link-local address comes last and is for people to read: no URL can name it.
 */
export function chooseAddress(family: Family, advertise: Advertise, facts: AddressFacts): Address | null {
  if (advertise === "none") return null;
  if (advertise !== "detect") return advertise;
  const candidates = facts.interfaces
    .filter((candidate) => candidate.address.family === family && REACH[scopeOf(candidate.address)] < 9)
    .sort((one, other) => rank(one) - rank(other));
  const { outbound } = facts;
  if (outbound?.family === family && REACH[scopeOf(outbound)] < REACH["link-local"]) {
    return lastingTwin(outbound, candidates) ?? outbound;
  }
  return candidates[0]?.address ?? null;
}

function rank(candidate: InterfaceAddress): number {
  const reach = REACH[scopeOf(candidate.address)] * 8;
  return (
    reach + (VIRTUAL.test(candidate.name) ? 4 : 0) + (candidate.deprecated ? 2 : 0) + (candidate.temporary ? 1 : 0)
  );
}

/** The lasting address next to a temporary or deprecated `outbound` in the same /64, or null. */
function lastingTwin(outbound: Address, candidates: readonly InterfaceAddress[]): Address | null {
  if (outbound.family !== "IPv6") return null;
  const used = candidates.find((candidate) => candidate.address.text === outbound.text);
  if (used === undefined || !(used.temporary || used.deprecated)) return null;
  const network = prefix64(outbound.text);
  const twin = candidates.find(
    ({ address, temporary, deprecated }) => !temporary && !deprecated && prefix64(address.text) === network,
  );
  return twin?.address ?? null;
}

/** The network of an IPv6 address, to be compared. */
function prefix64(text: string): string {
  return groupsOf(text).slice(0, 4).join(":");
}

export interface AddressSources {
  readonly outbound: (family: Family) => Promise<Address | null>;
  readonly interfaces: () => ReturnType<typeof networkInterfaces>;
  /** The text of a file, or "" when it cannot be read. */
  readonly readText: (path: string) => Promise<string>;
}

/** The sources of the machine this runs on. */
export const systemAddressSources: AddressSources = {
  outbound: outboundAddress,
  interfaces: networkInterfaces,
  readText: (path) =>
    Bun.file(path)
      .text()
      .catch(() => ""),
};

/** What to advertise now. Costs less than a millisecond, so it is asked before every heartbeat. */
export async function findAddresses(
  advertise: { readonly ipv4: Advertise; readonly ipv6: Advertise },
  sources: AddressSources = systemAddressSources,
): Promise<AdvertisedAddresses> {
  const flags = parseIfInet6(await sources.readText("/proc/net/if_inet6"));
  const interfaces = listInterfaces(sources.interfaces(), flags);
  const choose = async (family: Family, wish: Advertise) => {
    const outbound = wish === "detect" ? await sources.outbound(family) : null;
    return chooseAddress(family, wish, { outbound, interfaces })?.text ?? null;
  };
  return { ipv4: await choose("IPv4", advertise.ipv4), ipv6: await choose("IPv6", advertise.ipv6) };
}

interface Ipv6Flags {
  readonly temporary: boolean;
  readonly deprecated: boolean;
  /** Not usable: still being checked for a duplicate, or a duplicate was found. */
  readonly unusable: boolean;
}

/** Linux's /proc/net/if_inet6 by canonical address; an empty text where the system has no such file. */
export function parseIfInet6(text: string): Map<string, Ipv6Flags> {
  const flags = new Map<string, Ipv6Flags>();
  for (const line of text.split("\n")) {
    const [hex = "", , , , bits = ""] = line.trim().split(/\s+/);
    const address = /^[0-9a-f]{32}$/.test(hex) ? parseAddress(hex.replace(/(.{4})(?=.)/g, "$1:")) : null;
    if (address === null) continue;
    const value = Number.parseInt(bits, 16);
    flags.set(address.text, {
      temporary: (value & 0x01) !== 0,
      deprecated: (value & 0x20) !== 0,
      unusable: (value & (0x40 | 0x08)) !== 0,
    });
  }
  return flags;
}

function listInterfaces(
  found: ReturnType<typeof networkInterfaces>,
  flags: ReadonlyMap<string, Ipv6Flags>,
): InterfaceAddress[] {
  const list: InterfaceAddress[] = [];
  for (const [name, entries] of Object.entries(found)) {
    for (const entry of entries ?? []) {
      const address = entry.internal ? null : parseAddress(entry.address);
      if (address === null) continue;
      const flag = flags.get(address.text);
      if (flag?.unusable) continue;
      const zoned = address.family === "IPv6" && scopeOf(address) === "link-local" && !address.text.includes("%");
      list.push({
        name,
        address: zoned ? { family: "IPv6", text: `${address.text}%${name}` } : address,
        temporary: flag?.temporary ?? false,
        deprecated: flag?.deprecated ?? false,
      });
    }
  }
  return list;
}

/** Public resolvers, only as directions: connecting a UDP socket chooses a route and sends nothing. */
const TOWARDS = {
  IPv4: { host: "0.0.0.0", target: "8.8.8.8" },
  IPv6: { host: "::", target: "2001:4860:4860::8888" },
} as const;

async function outboundAddress(family: Family): Promise<Address | null> {
  const { host, target } = TOWARDS[family];
  try {
    const socket = await Bun.udpSocket({ hostname: host, connect: { hostname: target, port: 9 } });
    try {
      return parseAddress(socket.address.address);
    } finally {
      socket.close();
    }
  } catch {
    // No route to that family: ENETUNREACH, EAFNOSUPPORT. The interfaces decide.
    return null;
  }
}
