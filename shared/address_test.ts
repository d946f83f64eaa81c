import { expect, test } from "bun:test";
import fc from "fast-check";
import { canBeDialled, type Family, groupsOf, originOf, parseAddress, type Scope, scopeOf } from "./address.ts";

function address(text: string) {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(`not an address: ${text}`);
  return parsed;
}

test.each<[text: string, family: Family, canonical: string]>([
  ["192.0.2.1", "IPv4", "192.0.2.1"],
  ["2001:db8::1", "IPv6", "2001:db8::1"],
  ["2001:DB8:0:0:0:0:0:1", "IPv6", "2001:db8::1"],
  ["2001:0db8::0001", "IPv6", "2001:db8::1"],
  ["2001:db8:0:1:0:0:0:1", "IPv6", "2001:db8:0:1::1"],
  ["[2001:db8::1]", "IPv6", "2001:db8::1"],
  ["::", "IPv6", "::"],
  ["::1", "IPv6", "::1"],
  ["::ffff:192.0.2.1", "IPv4", "192.0.2.1"],
  ["::FFFF:c000:0201", "IPv4", "192.0.2.1"],
  ["0:0:0:0:0:ffff:7f00:1", "IPv4", "127.0.0.1"],
  ["::ffff:0.0.0.1", "IPv4", "0.0.0.1"],
  ["::1:0:0:0:192.0.2.1", "IPv6", "0:0:1::c000:201"],
  ["64:ff9b::192.0.2.1", "IPv6", "64:ff9b::c000:201"],
  ["fe80::1%eth0", "IPv6", "fe80::1%eth0"],
  ["FE80:0::1%Eth0", "IPv6", "fe80::1%Eth0"],
])("%s is %s %s", (text, family, canonical) => {
  expect(parseAddress(text)).toEqual({ family, text: canonical });
});

test.each([
  "",
  " ",
  "localhost",
  "192.0.2",
  "192.0.2.256",
  "192.0.2.01",
  "192.0.2.1:8001",
  "0x7f.0.0.1",
  "2130706433",
  "2001:db8::1::2",
  "2001:db8::1/64",
  "[2001:db8::1]:8001",
  "http://192.0.2.1",
  "192.0.2.1%eth0",
  "::ffff:192.0.2.300",
])("%p is no address", (text) => {
  expect(parseAddress(text)).toBeNull();
});

test("every IPv4 address, and its mapped form, is itself", () => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      expect(parseAddress(text)).toEqual({ family: "IPv4", text });
      expect(parseAddress(`::ffff:${text}`)).toEqual({ family: "IPv4", text });
    }),
  );
});

test("however an IPv6 address is written, its canonical text is a fixed point and makes a URL", () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const parsed = address(text);
      expect(parseAddress(parsed.text)).toEqual(parsed);
      expect(parsed.text).toBe(parsed.text.toLowerCase());
      expect(new URL(originOf(parsed, 8001)).origin).toBe(originOf(parsed, 8001));
    }),
    { numRuns: 1000 },
  );
});

test("whatever text comes, parsing does not throw", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.ipV6().map((text) => `${text}%`),
      ),
      (text) => {
        expect(["IPv4", "IPv6", undefined]).toContain(parseAddress(text)?.family);
      },
    ),
  );
});

test.each<[text: string, scope: Scope, dialled: boolean]>([
  ["127.0.0.1", "loopback", true],
  ["127.255.255.255", "loopback", true],
  ["169.254.0.1", "link-local", false],
  ["169.255.0.1", "global", true],
  ["10.0.0.1", "private", true],
  ["11.0.0.1", "global", true],
  ["172.15.255.255", "global", true],
  ["172.16.0.1", "private", true],
  ["172.31.255.255", "private", true],
  ["172.32.0.1", "global", true],
  ["192.168.1.1", "private", true],
  ["192.169.1.1", "global", true],
  ["100.63.255.255", "global", true],
  ["100.64.0.1", "private", true],
  ["100.127.255.255", "private", true],
  ["100.128.0.1", "global", true],
  ["0.0.0.0", "special", false],
  ["223.255.255.255", "global", true],
  ["224.0.0.1", "special", false],
  ["255.255.255.255", "special", false],
  ["8.8.8.8", "global", true],
  ["::1", "loopback", true],
  ["::", "special", false],
  ["::2", "global", true],
  ["fe80::1", "link-local", false],
  ["fe80::1%eth0", "link-local", false],
  ["febf::1", "link-local", false],
  ["fec0::1", "global", true],
  ["fc00::1", "private", true],
  ["fdff::1", "private", true],
  ["fe00::1", "global", true],
  ["ff02::1", "special", false],
  ["2401:4900:8898:97bf:ca46:8cc3:6e3:1a5b", "global", true],
  ["::ffff:10.0.0.1", "private", true],
])("%s is %s; dialled: %p", (text, scope, dialled) => {
  expect(scopeOf(address(text))).toBe(scope);
  expect(canBeDialled(address(text))).toBe(dialled);
});

test.each(["fd00::1%eth0", "2001:db8::1%eth0"])("%s is not dialled: no URL can name its zone", (text) => {
  expect(canBeDialled(address(text))).toBe(false);
});

test("an origin has the brackets IPv6 needs", () => {
  expect(originOf(address("192.0.2.1"), 8001)).toBe("http://192.0.2.1:8001");
  expect(originOf(address("2001:db8::1"), 8001)).toBe("http://[2001:db8::1]:8001");
});

test.each<[text: string, groups: number[]]>([
  ["::", [0, 0, 0, 0, 0, 0, 0, 0]],
  ["::1", [0, 0, 0, 0, 0, 0, 0, 1]],
  ["2001:db8::", [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0]],
  ["fe80::1:2%eth0", [0xfe80, 0, 0, 0, 0, 0, 1, 2]],
  ["1:2:3:4:5:6:7:8", [1, 2, 3, 4, 5, 6, 7, 8]],
])("%s has the groups %j", (text, groups) => {
  expect(groupsOf(text)).toEqual(groups);
});
