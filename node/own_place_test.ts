import { expect, test } from "bun:test";
import { parseAddress } from "../shared/address.ts";
import { gatewaysIn, machinePlace, mayLeadHere, type Place } from "./own_place.ts";

const place: Place = {
  port: 8001,
  advertised: ["none", "detect", parseAddress("192.168.1.77") ?? "none"],
  interfaces: ["127.0.0.1/8", "::1/128", "192.168.1.5/24", "2001:db8:1::5/64", "100.64.0.7/32"],
  gateways: ["192.168.1.1"],
};

test.each([
  ["127.0.0.1:8001", true, "this machine"],
  ["[::1]:8001", true, "this machine by IPv6"],
  ["192.168.1.5:8001", true, "an address of its own"],
  ["[2001:db8:1::5]:8001", true, "an IPv6 address of its own"],
  ["[2001:0db8:1:0::5]:8001", true, "the same, written otherwise"],
  ["100.64.0.7:8001", true, "one of a VPN"],
  ["192.168.1.77:8001", true, "one it was told to advertise"],
  ["192.168.1.66:8001", false, "a neighbour's"],
  ["[2001:db8:1::66]:8001", false, "a neighbour's IPv6 address"],
  ["127.0.0.2:8001", false, "another loopback address"],
  ["192.168.1.1:8001", true, "the gateway's"],
  ["203.0.113.9:8001", true, "one beyond its networks"],
  ["192.168.1.5:8002", false, "another port"],
  ["192.168.1.5", false, "no port"],
  ["node.lan:8001", false, "a name"],
  ["192.168.1.5:8001\nx", false, "two lines"],
  ["", false, "nothing"],
] as const)("%s may lead here: %p, being %s", (at, expected) => {
  expect(mayLeadHere(at, place)).toBe(expected);
});

test("a container may be behind its host's address, and behind its gateway", () => {
  const container = { ...place, advertised: [], interfaces: ["172.17.0.2/16"], gateways: ["172.17.0.1"] };
  expect(["192.168.1.5:8001", "172.17.0.1:8001"].map((at) => mayLeadHere(at, container))).toEqual([true, true]);
  expect(mayLeadHere("172.17.0.3:8001", container)).toBe(false);
});

test("the gateways are found in Linux's tables", () => {
  const route = "Iface\tDestination\tGateway\tFlags\neth0\t00000000\t010011AC\t0003\neth0\t000011AC\t00000000\t0001\n";
  const zeros = "0".repeat(32);
  const hop = "fd000000000000000000000000000001";
  const ipv6 = `${zeros} 00 ${zeros} 00 ${hop} 00000400 1 0 00000003 eth0\n${hop} 40 ${zeros} 00 ${zeros} 0 1 0 1 eth0\n`;
  expect(gatewaysIn(route, ipv6)).toEqual(["172.17.0.1", "fd00:0000:0000:0000:0000:0000:0000:0001"]);
  expect(gatewaysIn("", "")).toEqual([]);
});

test("this machine is where it is", () => {
  expect(mayLeadHere("127.0.0.1:8001", { ...place, advertised: [], ...machinePlace() })).toBe(true);
});
