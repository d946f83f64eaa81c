/** What a heartbeat says, taken into the node's record. */
import { type Address, canBeDialled } from "../../shared/address.ts";
import { allows, type IpPreference } from "../../shared/address_order.ts";
import { keyId } from "../../shared/identity.ts";
import type { Heartbeat } from "../../shared/protocol.ts";
import { type DialFacts, whyNotDialable } from "../policy/dialable.ts";
import { alikeTexts } from "./alike.ts";
import { takeInventory } from "./inventory.ts";
import { type Entry, isProven, routesTo } from "./node_record.ts";

/** What the hub knows of itself when it judges an address. */
export type HubPlace = Pick<DialFacts, "hubPort" | "whereIs">;

const NOTHING: ReadonlySet<never> = new Set();
const NONE: readonly never[] = [];

/**
 * Takes `beat` into `node`; true when its list of models on disk is another one. The address it came from, `source`, replaces
 * the reported one of its family: that one is known to work. Null, when its sender had hung up already, is no news.
 */
export function takeHeartbeat(
  node: Entry,
  beat: Heartbeat,
  source: Address | null,
  preference: IpPreference,
  place: HubPlace,
): boolean {
  const key = beat.public_key ?? null;
  // What another key has proven proves nothing for this one.
  if (key !== node.publicKey) {
    node.proven.clear();
    node.publicKey = key;
    node.keyId = key === null ? null : keyId(key);
  }
  node.source = source ?? node.source;
  // A link-local source cannot be dialled back; what the node reported may be.
  const usable = node.source !== null && canBeDialled(node.source) ? node.source : null;
  const ipv4 = usable?.family === "IPv4" ? usable.text : beat.ipv4;
  const ipv6 = usable?.family === "IPv6" ? usable.text : beat.ipv6;
  node.ipv4 = ipv4;
  node.ipv6 = ipv6;
  node.port = beat.port;
  const facts = { ...place, source: node.source, port: beat.port, hasKey: key !== null };
  node.routes = routesTo(
    [ipv6, ipv4],
    beat.port,
    node.routes,
    (address) => whyNotDialable(address, facts) === null,
    key === null ? null : (beat.tls_cert ?? null),
  );
  for (const origin of node.proven)
    if (!node.routes.some((route) => route.origin === origin)) node.proven.delete(origin);
  for (const origin of node.doubted) if (!node.proven.has(origin)) node.doubted.delete(origin);
  setDialable(node, preference);
  // Nothing of ours waits there, so nobody probes it often: what it said to be loading is old.
  if (node.reserved === 0) node.loading = NOTHING;
  node.metadata = beat.metadata;
  node.load = beat.load ?? null;
  node.cpu = beat.load?.cpu ?? 0;
  node.gpu = beat.gpu ?? NONE;
  node.ollamaVersion = beat.ollama?.version ?? null;
  node.agentVersion = beat.agent_version ?? null;
  node.capabilities = alikeTexts(beat.capabilities ?? NONE);
  // An Ollama that is away tells no models, but they are still on its disk: a request for one finds it away, not lacking.
  const away = beat.ollama?.ok === false && beat.models.length === 0;
  const { loaded, tags, ps } = beat;
  return takeInventory(
    node,
    away ? { names: node.modelNames, loaded: [], ps: [] } : { names: beat.models, loaded, tags, ps },
  );
}

/** Works out anew whether the node can be dialled at all, and whether proof is all that is missing. */
export function setDialable(node: Entry, preference: IpPreference): void {
  const allowed = node.routes.filter(({ family }) => allows(preference, family));
  node.dialable = allowed.some(({ origin }) => isProven(node, origin));
  node.unproven = !node.dialable && allowed.length > 0;
}
