/** The deny list of addresses, one by one. */
import { describe, expect, test } from "bun:test";
import { type Address, parseAddress } from "../../shared/address.ts";
import { type DialFacts, type Place, whyNotDialable } from "./dialable.ts";

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(text);
  return parsed;
}

const LAN: DialFacts = {
  source: address("192.168.1.20"),
  port: 8001,
  hubPort: 8000,
  whereIs: () => "elsewhere",
  hasKey: false,
};
/** Of a node that has to prove that it is there. */
const KEYED: DialFacts = { ...LAN, hasKey: true };
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
])("%s may be dialled where a node with a key says that it is there", (text) => {
  expect(whyNotDialable(address(text), KEYED)).toBeNull();
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
  "198.18.0.1",
  "198.19.255.255",
  "192.0.0.1",
  "fec0::1",
  "feff::1",
  "::ffff:0:127.0.0.1",
  "::ffff:0:10.0.0.1",
  "::ffff:127.0.0.1",
  "::ffff:169.254.169.254",
])("%s may not, for a node of the local network, with a key or without", (text) => {
  for (const facts of [LAN, KEYED]) expect(whyNotDialable(address(text), facts)).toBeString();
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
  expect(own("192.168.1.5", { ...LAN, whereIs: ({ text }) => (text === "192.168.1.5" ? "own" : "elsewhere") })).toBe(
    "it is the hub itself",
  );
  expect(own("192.168.1.20", LAN)).toBeNull();
});

test.each([1, 22, 80, 443, 1023, 6379])("port %d is another service's, of every machine", (port) => {
  for (const facts of [LAN, KEYED]) expect(whyNotDialable(address("192.168.1.20"), { ...facts, port })).toBeString();
});

test("the Ollama of the hub's machine is nobody's way in, that of a node's own machine is not the hub's matter", () => {
  const at = (text: string, facts: DialFacts) => whyNotDialable(address(text), { ...facts, port: 11434 });
  expect(at("127.0.0.1", LOCAL)).toBe("it is the Ollama of the hub's machine");
  expect(at("192.168.1.5", { ...KEYED, whereIs: () => "own" })).toBe("it is the Ollama of the hub's machine");
  expect(at("192.168.1.20", LAN)).toBeNull();
});

test("the broadcast address of a network is no node's", () => {
  expect(whyNotDialable(address("192.168.1.255"), { ...KEYED, whereIs: () => "broadcast" })).toBeString();
});

describe("an older agent, which cannot prove where it is,", () => {
  const bare = (text: string, source: string, place: Place = "elsewhere") =>
    whyNotDialable(address(text), { ...LAN, source: address(source), whereIs: () => place });

  test.each(["203.0.113.9", "8.8.8.8", "2001:db8::1", "2a00:1450::1"])(
    "has %s only if it speaks from there",
    (text) => {
      expect(bare(text, "192.168.1.20")).toBe("it is a public address, and not where it speaks from");
      expect(bare(text, text)).toBeNull();
    },
  );

  test("has the public IPv6 address of a home that is the hub's home too", () => {
    expect(bare("2001:db8::1", "192.168.1.20", "on link")).toBeNull();
  });

  test.each(["192.168.1.9", "10.0.0.1", "172.16.0.1", "100.64.0.7", "fd00::1", "fd12:3456::1"])(
    "may have %s",
    (text) => {
      expect(bare(text, "192.168.1.20")).toBeNull();
    },
  );

  test("has an address of the hub's machine only if it runs there", () => {
    const at = (source: string | null) =>
      whyNotDialable(address("fd00::5"), {
        ...LAN,
        source: source === null ? null : address(source),
        whereIs: ({ text }) => (text === "fd00::5" || text === "192.168.1.5" ? "own" : "elsewhere"),
      });
    expect(at("192.168.1.20")).toBe("it is the hub's own machine");
    expect(at(null)).toBe("it is the hub's own machine");
    for (const source of ["192.168.1.5", "127.0.0.1", "fd00::5"]) expect(at(source)).toBeNull();
  });
});
