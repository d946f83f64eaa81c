import { describe, expect, test } from "bun:test";
import { type Address, type Family, parseAddress } from "../shared/address.ts";
import {
  type AddressSources,
  chooseAddress,
  findAddresses,
  type InterfaceAddress,
  parseIfInet6,
  systemAddressSources,
} from "./addresses.ts";
import type { Advertise } from "./config.ts";

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(`not an address: ${text}`);
  return parsed;
}

function on(name: string, text: string, flags: Partial<InterfaceAddress> = {}): InterfaceAddress {
  return { name, address: address(text), temporary: false, deprecated: false, ...flags };
}

const lan = on("eth0", "192.168.1.20");
const docker = on("docker0", "172.17.0.1");
const lasting = on("eth0", "2001:db8:1:2::20");
const privacy = on("eth0", "2001:db8:1:2:aaaa:bbbb:cccc:dddd", { temporary: true });
const uniqueLocal = on("eth0", "fd00::20");
const linkLocal = on("eth0", "fe80::20%eth0");

interface Row {
  readonly name: string;
  readonly family?: Family;
  readonly advertise?: Advertise;
  readonly outbound?: string;
  readonly interfaces: readonly InterfaceAddress[];
  readonly expected: string | null;
}

const rows: readonly Row[] = [
  { name: "nothing known gives nothing", interfaces: [], expected: null },
  {
    name: "none leaves the family out",
    advertise: "none",
    outbound: "192.168.1.20",
    interfaces: [lan],
    expected: null,
  },
  {
    name: "an override wins over what is found, loopback included",
    advertise: address("127.0.0.1"),
    outbound: "192.168.1.20",
    interfaces: [lan],
    expected: "127.0.0.1",
  },
  {
    name: "the address towards the internet wins",
    outbound: "192.168.1.20",
    interfaces: [docker, lan],
    expected: "192.168.1.20",
  },
  { name: "without a route the interface decides", interfaces: [lan], expected: "192.168.1.20" },
  { name: "a bridge to containers comes after a real network", interfaces: [docker, lan], expected: "192.168.1.20" },
  { name: "a bridge is better than nothing", interfaces: [docker], expected: "172.17.0.1" },
  {
    name: "a global address comes before a private one",
    interfaces: [lan, on("eth1", "203.0.113.9")],
    expected: "203.0.113.9",
  },
  {
    name: "loopback is never found",
    outbound: "127.0.0.1",
    interfaces: [on("lo", "127.0.0.1")],
    expected: null,
  },
  { name: "the other family is not taken", interfaces: [uniqueLocal], expected: null },
  {
    name: "a lasting address replaces the privacy address of the same network",
    family: "IPv6",
    outbound: privacy.address.text,
    interfaces: [privacy, lasting],
    expected: lasting.address.text,
  },
  {
    name: "a privacy address is kept when the lasting one belongs to another network",
    family: "IPv6",
    outbound: privacy.address.text,
    interfaces: [privacy, on("eth1", "2001:db8:9:9::20")],
    expected: privacy.address.text,
  },
  {
    name: "a privacy address is kept when the lasting one is deprecated",
    family: "IPv6",
    outbound: privacy.address.text,
    interfaces: [privacy, { ...lasting, deprecated: true }],
    expected: privacy.address.text,
  },
  {
    name: "a lasting address towards the internet stays although another one exists",
    family: "IPv6",
    outbound: "2001:db8:1:2::21",
    interfaces: [lasting, on("eth0", "2001:db8:1:2::21")],
    expected: "2001:db8:1:2::21",
  },
  {
    name: "without a route: global before unique-local before link-local",
    family: "IPv6",
    interfaces: [linkLocal, uniqueLocal, lasting],
    expected: lasting.address.text,
  },
  {
    name: "unique-local before link-local",
    family: "IPv6",
    interfaces: [linkLocal, uniqueLocal],
    expected: "fd00::20",
  },
  {
    name: "a deprecated address comes after one in use",
    family: "IPv6",
    interfaces: [on("eth0", "2001:db8::1", { deprecated: true }), lasting],
    expected: lasting.address.text,
  },
  { name: "link-local is the last resort", family: "IPv6", interfaces: [linkLocal], expected: "fe80::20%eth0" },
];

describe("chooseAddress", () => {
  test.each(rows.map((row) => [row.name, row] as const))("%s", (_name, row) => {
    const outbound = row.outbound === undefined ? null : address(row.outbound);
    const chosen = chooseAddress(row.family ?? "IPv4", row.advertise ?? "detect", {
      outbound,
      interfaces: row.interfaces,
    });
    expect(chosen?.text ?? null).toBe(row.expected);
  });
});

const IF_INET6 = `\
20010db8000100020000000000000020 02 40 00 80     eth0
20010db800010002aaaabbbbccccdddd 02 40 00 01     eth0
20010db8000100020000000000000099 02 40 00 60     eth0
fe800000000000000000000000000020 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
`;

function sources(overrides: Partial<AddressSources> = {}): AddressSources {
  const entry = (text: string, internal = false) => ({
    address: text,
    netmask: "",
    mac: "",
    cidr: null,
    internal,
    ...(text.includes(":") ? { family: "IPv6" as const, scopeid: 2 } : { family: "IPv4" as const }),
  });
  return {
    outbound: async () => null,
    interfaces: () => ({
      lo: [entry("127.0.0.1", true), entry("::1", true)],
      eth0: [
        entry("192.168.1.20"),
        entry("2001:db8:1:2:aaaa:bbbb:cccc:dddd"),
        entry("2001:db8:1:2::99"),
        entry("2001:db8:1:2::20"),
        entry("fe80::20"),
      ],
    }),
    readText: async () => IF_INET6,
    ...overrides,
  };
}

describe("findAddresses", () => {
  test("Linux's flags lead away from temporary and tentative addresses", async () => {
    expect(await findAddresses({ ipv4: "detect", ipv6: "detect" }, sources())).toEqual({
      ipv4: "192.168.1.20",
      ipv6: "2001:db8:1:2::20",
    });
  });

  test("a link-local address is shown with its interface", async () => {
    const entries = [{ ...sources().interfaces().eth0?.[4] }] as NonNullable<
      ReturnType<AddressSources["interfaces"]>[string]
    >;
    const found = await findAddresses(
      { ipv4: "detect", ipv6: "detect" },
      sources({ interfaces: () => ({ eth0: entries }) }),
    );
    expect(found).toEqual({ ipv4: null, ipv6: "fe80::20%eth0" });
  });

  test("the flags of /proc/net/if_inet6 are read by address", () => {
    const flags = parseIfInet6(IF_INET6);
    expect(flags.get("2001:db8:1:2:aaaa:bbbb:cccc:dddd")).toMatchObject({ temporary: true, deprecated: false });
    expect(flags.get("2001:db8:1:2::99")).toMatchObject({ deprecated: true, unusable: true });
    expect(flags.get("fe80::20")).toEqual({ temporary: false, deprecated: false, unusable: false });
    expect(parseIfInet6("").size).toBe(0);
  });

  test("this machine answers with addresses of the right family or nothing", async () => {
    const found = await findAddresses({ ipv4: "detect", ipv6: "detect" }, systemAddressSources);
    if (found.ipv4 !== null) expect(parseAddress(found.ipv4)?.family).toBe("IPv4");
    if (found.ipv6 !== null) expect(parseAddress(found.ipv6)?.family).toBe("IPv6");
  });
});
