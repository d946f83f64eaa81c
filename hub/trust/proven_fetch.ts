/** The fetch for what is sent to nodes: an address that is in doubt has to be proven again before it gets anything. */
import type { FleetFetch } from "../../shared/fleet_fetch.ts";
import { HEADERS } from "../../shared/protocol.ts";
import type { NodeRecord, Route } from "../fleet/node_record.ts";
import type { Prober } from "../fleet/probe.ts";
import type { Registry } from "../registry.ts";

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
  /** Questions under way, by node and address: whoever else wants to know waits for the same answer. */
  const asked = new Map<string, Promise<void>>();

  function ask(node: NodeRecord, route: Route): Promise<void> {
    const key = `${node.id} ${route.origin}`;
    const known = asked.get(key);
    if (known !== undefined) return known;
    const answer = confirm(node, route).finally(() => asked.delete(key));
    asked.set(key, answer);
    return answer;
  }

  return (url, request) => {
    const node = registry.get(request.headers?.[HEADERS.nodeId] ?? "");
    const route = node?.routes.find(({ origin }) => node.doubted.has(origin) && url.startsWith(`${origin}/`));
    if (node === undefined || route === undefined) return fetch(url, request);
    return Promise.race([ask(node, route), abortOf(request.signal)]).then(() => fetch(url, request));
  };
}

/** Rejects with its reason when `signal` is aborted; never resolves. */
function abortOf(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
