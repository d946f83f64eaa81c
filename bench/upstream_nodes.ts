/** Nodes that are nothing but a name and a key: they join a hub as real agents do, so that the hub does all of its work. */
import { createHubClient } from "../node/hub_client.ts";
import { createHubTrust } from "../node/hub_trust.ts";
import { createFleetFetch } from "../shared/fleet_fetch.ts";
import { newIdentity } from "../shared/identity.ts";
import { CAPABILITIES, type HeartbeatBody, type NodeHealth } from "../shared/protocol.ts";
import { proofText } from "../shared/signed_text.ts";
import { MODELS } from "./chunk.ts";

export interface UpstreamNode {
  readonly id: string;
  /** Introduces itself to the hub at `url`, and again while it is there. Rejects when the hub does not take it. */
  join(url: string, stateDir: string): Promise<void>;
  /** Says no more to the hub at `url`. */
  leave(url: string): void;
  /** What it answers at /health, with the proof that the hub's `challenge` asks for. */
  health(challenge: string, hubKey: string, at: string): NodeHealth;
}

/** Milliseconds between heartbeats; the hub's default is 30 seconds. */
const BEAT_MS = 20_000;
const PATIENCE_MS = 5_000;
/** The most a hub takes: what is measured here never waits for a slot. */
const SLOTS = 1024;

/** A node called `id` that answers on `port`. */
export function createUpstreamNode(id: string, port: number): UpstreamNode {
  const identity = newIdentity();
  const bootId = crypto.randomUUID();
  const fetch = createFleetFetch();
  const beating = new Map<string, Timer>();
  let seq = 0;

  const body = (): HeartbeatBody => ({
    node_id: id,
    ipv4: "127.0.0.1",
    port,
    models: [...MODELS],
    loaded: [...MODELS],
    metadata: {},
    load: { cpu: 0.1, memory: 0.1 },
    slots: SLOTS,
    boot_id: bootId,
    seq: ++seq,
    ollama: { ok: true, version: "0.33.0" },
    agent_version: "1",
    capabilities: [...CAPABILITIES],
    intent: "serving",
  });

  return {
    id,
    async join(url, stateDir) {
      const trust = createHubTrust({
        identity,
        stateDir,
        serverUrl: url,
        nodeId: id,
        bootId,
        joinToken: null,
        acceptHub: true,
        mayLeadHere: () => true,
        now: () => performance.now(),
        onWarning: (sentence) => console.error(sentence),
      });
      const hub = createHubClient(url, fetch, trust);
      const outcome = await hub.heartbeat(body(), PATIENCE_MS);
      if (outcome.kind !== "accepted") throw new Error(`${id} could not join ${url}: ${outcome.reason}`);
      const beat = () => void hub.heartbeat({ ...body(), hub_boot_id: outcome.bootId }, PATIENCE_MS);
      clearInterval(beating.get(url));
      beating.set(url, setInterval(beat, BEAT_MS));
    },
    leave(url) {
      clearInterval(beating.get(url));
      beating.delete(url);
    },
    health(challenge, hubKey, at) {
      const proof = challenge === "" ? {} : { proof: identity.sign(proofText(challenge, id, hubKey, at)) };
      return { status: "ok", node_id: id, boot_id: bootId, agent_version: "1", intent: "serving", ...proof };
    },
  };
}
