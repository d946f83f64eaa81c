/** How busy this machine is: processor and memory as ratios from 0 to 1. */
import { availableParallelism, cpus, freemem, loadavg, totalmem } from "node:os";
import type { Clock } from "../shared/clock.ts";

export interface Load {
  /** Ratio 0 to 1. */
  readonly cpu: number;
  /** Ratio 0 to 1. */
  readonly memory: number;
}

/** Processor time since the machine started, summed over its cores. Any unit, both in the same. */
export interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

/** Bytes. */
export interface MemoryFacts {
  readonly total: number;
  /** What a program could still get without swapping. */
  readonly available: number;
  /** The limit of this process's control group, null where there is none. */
  readonly limit: number | null;
  /** What the control group uses, without what the kernel would give back. */
  readonly used: number | null;
}

export interface LoadSources {
  readonly cpuTimes: () => CpuTimes;
  /** Runnable processes per core over the last minute; used until two readings of the processor are apart enough. */
  readonly loadPerCore: () => number;
  readonly memory: () => Promise<MemoryFacts>;
}

/** Two readings closer than this say nothing: the kernel counts in hundredths of a second. */
const SHORTEST_SPAN_MS = 1000;

/** Reads the load; each call measures the processor since the one before. */
export function createLoadReader(clock: Clock, sources: LoadSources = systemLoadSources): () => Promise<Load> {
  let before = { at: clock.now(), times: sources.cpuTimes() };
  let lastRatio: number | null = null;
  return async () => {
    if (clock.now() - before.at >= SHORTEST_SPAN_MS) {
      const now = { at: clock.now(), times: sources.cpuTimes() };
      lastRatio = cpuRatio(before.times, now.times);
      before = now;
    }
    return { cpu: lastRatio ?? clamp(sources.loadPerCore()), memory: memoryRatio(await sources.memory()) };
  };
}

/** The share of processor time that was used between two readings; 0 when the counters did not move. */
export function cpuRatio(before: CpuTimes, after: CpuTimes): number {
  const total = after.total - before.total;
  return total > 0 ? clamp((after.busy - before.busy) / total) : 0;
}

/** The share of memory that is taken, as seen by the narrower of the machine and the control group. */
export function memoryRatio({ total, available, limit, used }: MemoryFacts): number {
  // "No limit" is written as a number of eight exabytes by the older kind of control group.
  const limited = limit !== null && limit < total;
  const size = limited ? limit : total;
  const free = limited ? Math.min(available, limit - (used ?? 0)) : available;
  return size > 0 ? clamp(1 - free / size) : 0;
}

function clamp(ratio: number): number {
  return Number.isFinite(ratio) ? Math.min(1, Math.max(0, ratio)) : 0;
}

/** The sources of the machine this runs on. */
export const systemLoadSources: LoadSources = {
  cpuTimes() {
    let busy = 0;
    let total = 0;
    for (const { times } of cpus()) {
      const working = times.user + times.nice + times.sys + times.irq;
      busy += working;
      total += working + times.idle;
    }
    return { busy, total };
  },
  loadPerCore: () => (loadavg()[0] ?? 0) / Math.max(1, availableParallelism()),
  memory: async () => ({ total: totalmem(), available: freemem(), ...(await controlGroupMemory()) }),
};

/** Where Linux tells the limit and the use of the control group: version 2, then version 1. */
const CONTROL_GROUP_FILES = [
  { limit: "/sys/fs/cgroup/memory.max", used: "/sys/fs/cgroup/memory.current", stat: "/sys/fs/cgroup/memory.stat" },
  {
    limit: "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    used: "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    stat: "/sys/fs/cgroup/memory/memory.stat",
  },
] as const;

async function controlGroupMemory(): Promise<Pick<MemoryFacts, "limit" | "used">> {
  for (const files of CONTROL_GROUP_FILES) {
    const limit = await readNumber(files.limit);
    if (limit === null) continue;
    const used = await readNumber(files.used);
    // Cached file pages count as used, but the kernel gives them back first.
    const cached = Number(/^(?:total_)?inactive_file (\d+)$/m.exec(await readText(files.stat))?.[1] ?? 0);
    return { limit, used: used === null ? null : used - cached };
  }
  return { limit: null, used: null };
}

async function readNumber(path: string): Promise<number | null> {
  const text = (await readText(path)).trim();
  return /^\d+$/.test(text) ? Number(text) : null;
}

function readText(path: string): Promise<string> {
  return Bun.file(path)
    .text()
    .catch(() => "");
}
