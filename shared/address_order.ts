/** In which order a node's addresses are dialled: the preferred family first, what did not answer at the back. */
import type { Family } from "./address.ts";

/** What `IP_PREFERENCE` may be: which family goes first, or is the only one. */
export const IP_PREFERENCES = ["ipv6", "ipv4", "ipv6-only", "ipv4-only"] as const;
export type IpPreference = (typeof IP_PREFERENCES)[number];

/** What the hub knows of one way to a node. */
export interface RouteState {
  readonly family: Family;
  /** Whether the last connection or probe on it came through; null before the first. */
  readonly reachable: boolean | null;
}

const FIRST: Readonly<Record<IpPreference, Family>> = {
  ipv6: "IPv6",
  ipv4: "IPv4",
  "ipv6-only": "IPv6",
  "ipv4-only": "IPv4",
};

/** True when `preference` allows `family` at all. */
export function allows(preference: IpPreference, family: Family): boolean {
  return !preference.endsWith("-only") || FIRST[preference] === family;
}

/**
 * `routes` in the order in which to dial them. The preferred family goes first (RFC 6724 prefers IPv6 as well), except
 * that a route that did not connect last time goes to the back of the line until a probe has seen it work again.
 */
export function routeOrder<Route extends RouteState>(routes: readonly Route[], preference: IpPreference): Route[] {
  const rank = (route: Route) => (route.reachable === false ? 2 : 0) + (route.family === FIRST[preference] ? 0 : 1);
  return routes.filter((route) => allows(preference, route.family)).sort((a, b) => rank(a) - rank(b));
}
