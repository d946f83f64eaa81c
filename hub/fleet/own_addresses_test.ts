import { expect, test } from "bun:test";
import type { NetworkInterfaceInfo } from "node:os";
import { parseAddress } from "../../shared/address.ts";
import { NO_NETWORKS, parseNetworks } from "../../shared/networks.ts";
import { placesOfMachine } from "./own_addresses.ts";

const of = (...cidrs: string[]) => ({
  eth0: cidrs.map((cidr) => ({ address: cidr.split("/")[0] ?? "", cidr }) as NetworkInterfaceInfo),
});
const INTERFACES = of("127.0.0.1/8", "192.168.1.5/24", "10.0.0.1/31", "2001:db8:1:2::5/64", "fe80::5%eth0/64");

function whereIs(text: string, trusted = NO_NETWORKS) {
  const address = parseAddress(text);
  if (!address) throw new Error(text);
  return placesOfMachine(trusted, () => INTERFACES)(address);
}

test.each([
  ["192.168.1.5", "own"],
  ["2001:db8:1:2::5", "own"],
  ["192.168.1.255", "broadcast"],
  ["10.0.0.1", "own"],
  ["2001:db8:1:2::77", "on link"],
  ["2001:db8:1:3::77", "elsewhere"],
  ["203.0.113.9", "elsewhere"],
])("%s is %s to a machine with interfaces of its own", (text, place) => {
  expect<string>(whereIs(text)).toBe(place);
});

test("a network that the operator trusts is as near as one's own", () => {
  expect(whereIs("203.0.113.9", parseNetworks("203.0.113.0/24"))).toBe("on link");
});

test("an address the machine has got since is its own within seconds", () => {
  let interfaces = of("192.168.1.5/24");
  let now = 0;
  const place = placesOfMachine(
    NO_NETWORKS,
    () => interfaces,
    () => now,
  );
  const address = { family: "IPv4", text: "192.168.1.6" } as const;
  expect(place(address)).toBe("elsewhere");
  interfaces = of("192.168.1.6/24");
  now = 5_000;
  expect(place(address)).toBe("own");
});
