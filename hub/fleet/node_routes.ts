/** By which addresses a node can be reached: what dials, probes and proofs have shown of each. */
import { type IpPreference, routeOrder } from "../../shared/address_order.ts";
import { setDialable } from "./heartbeat_intake.ts";
import { type Entry, isProven, type NodeRecord, type Route, type RouteTry } from "./node_record.ts";

export interface NodeRoutesDeps {
  readonly get: (id: string) => Entry | undefined;
  readonly ipPreference: IpPreference;
  /** A waiting request may find a place on `node` now. */
  readonly changed: (node: NodeRecord) => void;
}

/** That part of the registry. */
export function createNodeRoutes({ get, ipPreference, changed }: NodeRoutesDeps) {
  return {
    /** Those of the node's routes by which it may be given work, in the order to dial them now. */
    routesOf: (node: Pick<NodeRecord, "routes" | "publicKey" | "proven">): Route[] =>
      routeOrder(
        node.routes.filter(({ origin }) => isProven(node, origin)),
        ipPreference,
      ),

    /** `routes` in the order in which they would be dialled. */
    inOrder: (routes: readonly Route[]): Route[] => routeOrder(routes, ipPreference),

    /** The node has shown with its key that it is at `origin`, or something else has shown to be there. */
    proven(id: string, origin: string, isThere: boolean): void {
      const node = get(id);
      node?.doubted.delete(origin);
      if (!node?.routes.some((route) => route.origin === origin) || node.proven.has(origin) === isThere) return;
      if (isThere) node.proven.add(origin);
      else node.proven.delete(origin);
      setDialable(node, ipPreference);
      if (node.dialable) node.proving = false;
      changed(node);
    },

    /** What the node was at broke off: it may have left its addresses, so it has to prove them again before they are used. */
    doubt(id: string): void {
      const node = get(id);
      for (const origin of node?.proven ?? []) node?.doubted.add(origin);
    },

    /** The node could not prove itself at any address; it is asked again now and then. */
    unproven(id: string): void {
      const node = get(id);
      if (!node?.proving) return;
      node.proving = false;
      changed(node);
    },

    /** A dial or probe of one route came through, or did not. */
    routeSeen(id: string, origin: string, tried: RouteTry, rttMs: number | null = null): void {
      const node = get(id);
      const known = node?.routes.find((route) => route.origin === origin);
      if (!node || !known) return;
      const reachable = tried === "connected";
      // Once too slow is what cables do, and slower than another address says nothing of who is at this one.
      const isSuspect = tried === "failed" || (tried === "slow" && known.reachable === false);
      if (isSuspect && node.proven.has(origin)) node.doubted.add(origin);
      // Every job says that its route works; most of the time that is known.
      if (known.reachable === reachable && rttMs === null) return;
      node.routes = node.routes.map((route) =>
        route.origin === origin ? { ...route, reachable, rttMs: rttMs ?? route.rttMs } : route,
      );
    },
  };
}
