import { expect, test } from "bun:test";
import { parseAddress } from "./address.ts";
import { sourceOf } from "./networks.ts";

test.each<[address: string, source: string]>([
  ["192.168.1.5", "192.168.1.5"],
  ["::ffff:192.168.1.5", "192.168.1.5"],
  ["::1", "::1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:db8::9", "2001:db8:0:0::/64"],
  ["fd00:1::2", "fd00:1:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64%eth0"],
])("%s shares what one may take with all of %s", (address, source) => {
  const parsed = parseAddress(address);
  expect(parsed && sourceOf(parsed)).toBe(source);
});
