/** What the node says about itself in a heartbeat. */
import { arch, availableParallelism, hostname, platform, release, totalmem } from "node:os";
import type { Clock } from "../shared/clock.ts";
import { CAPABILITIES, type Gpu, type HeartbeatBody, type NodeIntent } from "../shared/protocol.ts";
import type { AdvertisedAddresses } from "./addresses.ts";
import type { Load } from "./load.ts";
import type { OllamaState } from "./ollama_state.ts";

export interface SelfReportDeps {
  readonly nodeId: string;
  readonly bootId: string;
  readonly agentVersion: string;
  readonly slots: number;
  /** The port this node really listens on. */
  readonly port: () => number;
  readonly intent: () => NodeIntent;
  readonly ollama: () => OllamaState;
  readonly addresses: () => Promise<AdvertisedAddresses>;
  readonly load: () => Promise<Load>;
  readonly gpus: () => Promise<Gpu[]>;
  readonly clock: Clock;
}

/** Milliseconds a heartbeat waits for the graphics processors; after that it says what was known before. */
const GPU_PATIENCE_MS = 1000;

/** Builds the heartbeat with sequence number `seq` from what is known now. */
export function createSelfReport(deps: SelfReportDeps): (seq: number) => Promise<HeartbeatBody> {
  let knownGpus: Gpu[] = [];
  let reading: Promise<void> | null = null;

  async function gpus(): Promise<Gpu[]> {
    // A node that leaves has no time for a driver.
    if (deps.intent() !== "serving") return knownGpus;
    reading ??= deps
      .gpus()
      .then((found) => {
        knownGpus = found;
      })
      .finally(() => {
        reading = null;
      });
    const patience = Promise.withResolvers<void>();
    const cancel = deps.clock.after(GPU_PATIENCE_MS, patience.resolve);
    await Promise.race([reading, patience.promise]);
    cancel();
    return knownGpus;
  }

  return async (seq) => {
    const [addresses, load, gpu] = await Promise.all([deps.addresses(), deps.load(), gpus()]);
    // Read after the waiting, so that the heartbeat never says something older than the one before it.
    const { ok, version, models, loaded, tags, ps } = deps.ollama();
    return {
      node_id: deps.nodeId,
      ...addresses,
      port: deps.port(),
      models: [...models],
      metadata: {
        hostname: hostname(),
        platform: platform(),
        release: release(),
        arch: arch(),
        cpus: availableParallelism(),
        memory_total: totalmem(),
      },
      load: { cpu: load.cpu, memory: load.memory },
      slots: deps.slots,
      loaded: [...loaded],
      tags: [...tags],
      ps: [...ps],
      boot_id: deps.bootId,
      seq,
      ollama: { ok, version },
      agent_version: deps.agentVersion,
      capabilities: [...CAPABILITIES],
      gpu,
      intent: deps.intent(),
    };
  };
}
