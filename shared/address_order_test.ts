import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Family } from "./address.ts";
import { allows, IP_PREFERENCES, type IpPreference, type RouteState, routeOrder } from "./address_order.ts";

const route = (family: Family, reachable: boolean | null = null): RouteState => ({ family, reachable });

/** Routes in short: "6" and "4", with "!" for one that did not connect last time and "+" for one that did. */
function order(preference: IpPreference, ...short: string[]): string {
  const routes = short.map((text) =>
    route(text.startsWith("6") ? "IPv6" : "IPv4", text.endsWith("!") ? false : text.endsWith("+") ? true : null),
  );
  return routeOrder(routes, preference)
    .map(({ family, reachable }) => `${family.slice(-1)}${reachable === false ? "!" : reachable ? "+" : ""}`)
    .join(" ");
}

test.each<[preference: IpPreference, ipv6: boolean, ipv4: boolean]>([
  ["ipv6", true, true],
  ["ipv4", true, true],
  ["ipv6-only", true, false],
  ["ipv4-only", false, true],
])("IP_PREFERENCE=%s allows IPv6: %p, IPv4: %p", (preference, ipv6, ipv4) => {
  expect([allows(preference, "IPv6"), allows(preference, "IPv4")]).toEqual([ipv6, ipv4]);
});

test.each<[preference: IpPreference, routes: string[], dialled: string]>([
  ["ipv6", ["4", "6"], "6 4"],
  ["ipv4", ["6", "4"], "4 6"],
  ["ipv6-only", ["6", "4"], "6"],
  ["ipv4-only", ["6", "4"], "4"],
  ["ipv6", ["6!", "4"], "4 6!"],
  ["ipv6", ["6!", "4!"], "6! 4!"],
  ["ipv6", ["6", "4!"], "6 4!"],
  ["ipv6", ["4+", "6"], "6 4+"],
  ["ipv6", ["4+", "6+"], "6+ 4+"],
  ["ipv4", ["6+", "4!"], "6+ 4!"],
  ["ipv6-only", ["6!", "4+"], "6!"],
  ["ipv4-only", ["6+"], ""],
  ["ipv6", [], ""],
])("with %s, of %p %p is dialled", (preference, routes, dialled) => {
  expect(order(preference, ...routes)).toBe(dialled);
});

test("routes of the same rank keep their order, and the given list is left as it was", () => {
  const routes = [
    { ...route("IPv4"), name: "first" },
    { ...route("IPv6"), name: "second" },
    { ...route("IPv6"), name: "third" },
  ];
  expect(routeOrder(routes, "ipv6").map(({ name }) => name)).toEqual(["second", "third", "first"]);
  expect(routes.map(({ name }) => name)).toEqual(["first", "second", "third"]);
});

test("no allowed route is ever left out: the last way is still a way", () => {
  const routes = fc.array(
    fc.record({
      family: fc.constantFrom<Family>("IPv6", "IPv4"),
      reachable: fc.constantFrom(true, false, null),
    }),
  );
  fc.assert(
    fc.property(routes, fc.constantFrom(...IP_PREFERENCES), (all, preference) => {
      const ordered = routeOrder(all, preference);
      expect(new Set(ordered)).toEqual(new Set(all.filter(({ family }) => allows(preference, family))));
      const firstBad = ordered.findIndex(({ reachable }) => reachable === false);
      if (firstBad >= 0) expect(ordered.slice(firstBad).every(({ reachable }) => reachable === false)).toBe(true);
    }),
  );
});
