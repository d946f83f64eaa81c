/** Whether this node may be what is reached at an address: it vouches for none that can only be another machine's. */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { type Address, parseAddress } from "../shared/address.ts";
import { isIn, parseNetworks } from "../shared/networks.ts";
import type { Advertise } from "./config.ts";

export interface Place {
  /** The port this node listens on. */
  readonly port: number;
  /** What the operator says. */
  readonly advertised: readonly Advertise[];
  /** Addresses of this machine, as `192.0.2.1/24`. */
  readonly interfaces: readonly string[];
  /** Routers this machine sends through what is for no network of its own. */
  readonly gateways: readonly string[];
}

/** Letters that an address and a port have, and nothing that could be read as the end of a line. */
const HOST_AND_PORT = /^\[?([0-9a-f:.]{2,45})\]?:(\d{1,5})$/i;

/**
 * True when `at`, the `address:port` the hub has dialled, may lead here: an address of this machine or one it was told to
 * advertise, or one beyond its own networks, where a published port or a router may stand for it. Not a neighbour's: who
 * dials that one reaches the neighbour. A gateway may stand for a container whose hub is on the same machine.
 */
export function mayLeadHere(at: string, { port, advertised, interfaces, gateways }: Place): boolean {
  const [, host = "", dialled] = HOST_AND_PORT.exec(at) ?? [];
  const address = parseAddress(host);
  if (address === null || Number(dialled) !== port) return false;
  const isSame = (other: Address | null) => other?.text === address.text;
  if (advertised.some((each) => typeof each === "object" && isSame(each))) return true;
  if (interfaces.some((each) => isSame(parseAddress(each.replace(/\/.*/, ""))))) return true;
  if (gateways.some((each) => isSame(parseAddress(each)))) return true;
  return !isIn(parseNetworks(interfaces.filter(isNetwork).join(",")), address);
}

/** Everything is no network. */
function isNetwork(cidr: string): boolean {
  return /\/[1-9]\d*$/.test(cidr) && !cidr.includes("%");
}

/** The addresses and routers this machine has now. */
export function machinePlace(): Pick<Place, "interfaces" | "gateways"> {
  const entries = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return {
    interfaces: entries.map(({ cidr, address }) => cidr ?? address),
    gateways: gatewaysIn(textOf("/proc/net/route"), textOf("/proc/net/ipv6_route")),
  };
}

/** The next hops of default routes in the texts of Linux's two tables. */
export function gatewaysIn(route: string, ipv6Route: string): string[] {
  const columns = (text: string) => text.split("\n").map((line) => line.trim().split(/\s+/));
  const ipv4 = columns(route)
    .filter(([, destination, gateway]) => destination === "00000000" && /^[0-9A-F]{8}$/i.test(gateway ?? ""))
    .map(([, , gateway = ""]) => Buffer.from(gateway, "hex").reverse().join("."));
  const ipv6 = columns(ipv6Route)
    .filter(([destination, length]) => /^0{32}$/.test(destination ?? "") && length === "00")
    .map(([, , , , hop = ""]) => hop.replace(/(.{4})(?=.)/g, "$1:"));
  return [...ipv4, ...ipv6];
}

/** "" where the system has no such file. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
