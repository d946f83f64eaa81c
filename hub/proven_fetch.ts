/** The fetch for what is sent to nodes: an address that is in doubt has to be proven again before it gets anything. */
import type { FleetFetch } from "../shared/fleet_fetch.ts";
import { HEADERS } from "../shared/protocol.ts";
import type { Prober } from "./probe.ts";
import type { Registry } from "./registry.ts";

export interface ProvenFetchDeps {
  readonly fetch: FleetFetch;
  readonly registry: Pick<Registry, "get">;
  /** Resolves when the node has shown to be at the address, rejects when not. */
  readonly confirm: Prober["confirm"];
}

/**
 * `fetch`, which a request to a node (by its `X-Node-Id`) reaches at an address in doubt only behind `confirm`: who was
 * not there a moment ago may have left the address to somebody else. Otherwise it costs nothing.
 */
export function createProvenFetch({ fetch, registry, confirm }: ProvenFetchDeps): FleetFetch {
  return (url, request) => {
    const node = registry.get(request.headers?.[HEADERS.nodeId] ?? "");
    const route = node?.routes.find(({ origin }) => node.doubted.has(origin) && url.startsWith(`${origin}/`));
    if (node === undefined || route === undefined) return fetch(url, request);
    return confirm(node, route, request.signal).then(() => fetch(url, request));
  };
}
