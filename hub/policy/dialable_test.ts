/** The deny list of addresses, one by one (faults.md D5). */
import { expect, test } from "bun:test";
import { type Address, parseAddress } from "../../shared/address.ts";
import { type DialFacts, whyNotDialable } from "./dialable.ts";

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(text);
  return parsed;
}

const LAN: DialFacts = { source: address("192.168.1.20"), port: 8001, hubPort: 8000, isOwn: () => false };
const LOCAL: DialFacts = { ...LAN, source: address("127.0.0.1") };

test.each([
  "192.168.1.20",
  "10.0.0.1",
  "172.16.0.1",
  "100.64.0.7",
  "203.0.113.9",
  "8.8.8.8",
  "fd00::1",
  "fd12:3456::1",
  "2001:db8::1",
  "2a00:1450::1",
])("%s may be dialled", (text) => {
  expect(whyNotDialable(address(text), LAN)).toBeNull();
});

test.each([
  "0.0.0.0",
  "0.1.2.3",
  "::",
  "255.255.255.255",
  "224.0.0.1",
  "239.255.255.250",
  "ff02::1",
  "ff0e::1",
  "169.254.169.254",
  "169.254.170.2",
  "fe80::1",
  "fe80::1%eth0",
  "fd00:ec2::254",
  "fd20:ce::254",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
  "::192.168.1.20",
  "::1.2.3.4",
  "64:ff9b::1.2.3.4",
  "64:ff9b:1::1",
  "2002:c0a8:0101::1",
  "2001::1",
  "2001:0:4136:e378:8000:63bf:3fff:fdd2",
  "127.0.0.1",
  "127.9.9.9",
  "::1",
  "::ffff:127.0.0.1",
  "::ffff:169.254.169.254",
])("%s may not, for a node of the local network", (text) => {
  expect(whyNotDialable(address(text), LAN)).toBeString();
});

test("loopback is for a node whose heartbeat came over loopback", () => {
  for (const text of ["127.0.0.1", "::1"]) expect(whyNotDialable(address(text), LOCAL)).toBeNull();
  expect(whyNotDialable(address("::1"), { ...LAN, source: address("::1") })).toBeNull();
});

test("loopback is for nobody whose source could not be seen", () => {
  for (const text of ["127.0.0.1", "::1"]) {
    expect(whyNotDialable(address(text), { ...LAN, source: null })).toBe("it is the hub's own loopback");
  }
});

test("the hub's own port is no node's, on loopback or on an address of its machine", () => {
  const own = (text: string, facts: DialFacts) => whyNotDialable(address(text), { ...facts, port: 8000 });
  expect(own("127.0.0.1", LOCAL)).toBe("it is the hub itself");
  expect(own("192.168.1.5", { ...LAN, isOwn: ({ text }) => text === "192.168.1.5" })).toBe("it is the hub itself");
  expect(own("192.168.1.20", LAN)).toBeNull();
});
