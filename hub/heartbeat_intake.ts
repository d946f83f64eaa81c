/** What a heartbeat says, taken into the node's record. */
import { type Address, canBeDialled } from "../shared/address.ts";
import { allows, type IpPreference } from "../shared/address_order.ts";
import type { Heartbeat } from "../shared/protocol.ts";
import { takeInventory } from "./inventory.ts";
import { type Entry, routesTo } from "./node_record.ts";

/**
 * Takes `beat` into `node`; true when it has other manifests than before. The address it came from, `source`, replaces
 * the reported one of its family: that one is known to work. Null, when its sender had hung up already, is no news.
 */
export function takeHeartbeat(node: Entry, beat: Heartbeat, source: Address | null, preference: IpPreference): boolean {
  node.source = source ?? node.source;
  // A link-local source cannot be dialled back; what the node reported may be.
  const usable = node.source !== null && canBeDialled(node.source) ? node.source : null;
  const ipv4 = usable?.family === "IPv4" ? usable.text : beat.ipv4;
  const ipv6 = usable?.family === "IPv6" ? usable.text : beat.ipv6;
  setAddresses(node, ipv4, ipv6, beat.port, preference);
  // Nothing of ours waits there, so nobody probes it often: what it said to be loading is old.
  if (node.reserved === 0) node.loading = new Set();
  node.metadata = beat.metadata;
  node.load = beat.load ?? null;
  node.cpu = beat.load?.cpu ?? 0;
  node.gpu = beat.gpu ?? [];
  node.ollamaVersion = beat.ollama?.version ?? null;
  node.agentVersion = beat.agent_version ?? null;
  node.capabilities = beat.capabilities ?? [];
  // An Ollama that is away tells no models, but they are still on its disk: a request for one finds it away, not lacking.
  const away = beat.ollama?.ok === false && beat.models.length === 0;
  const { loaded, tags, ps } = beat;
  return takeInventory(
    node,
    away ? { names: node.modelNames, loaded: [], ps: [] } : { names: beat.models, loaded, tags, ps },
  );
}

function setAddresses(
  node: Entry,
  ipv4: string | null,
  ipv6: string | null,
  port: number,
  preference: IpPreference,
): void {
  if (node.ipv4 === ipv4 && node.ipv6 === ipv6 && node.port === port) return;
  node.ipv4 = ipv4;
  node.ipv6 = ipv6;
  node.port = port;
  node.routes = routesTo([ipv6, ipv4], port, node.routes);
  node.dialable = node.routes.some((route) => allows(preference, route.family));
}
