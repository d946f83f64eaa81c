/** What this process tells of itself under the names every Prometheus client uses: memory, processor time, open files. */
import { readdirSync, readFileSync } from "node:fs";
import { systemClock } from "./clock.ts";

/** One figure of the process. */
export interface ProcessFigure {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  /** The figure now; null where this system does not tell it. */
  readonly read: () => number | null;
}

/** Linux, then macOS. */
const FOLDERS_OF_OPEN_FILES = ["/proc/self/fd", "/dev/fd"] as const;

/** All of them. Only Linux tells every one. */
export const PROCESS_FIGURES: readonly ProcessFigure[] = [
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "Processor time this process has used, user and system together.",
    read() {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Memory of this process that is in RAM.",
    read: () => process.memoryUsage.rss(),
  },
  {
    name: "process_open_fds",
    type: "gauge",
    help: "Open files and connections.",
    read() {
      for (const folder of FOLDERS_OF_OPEN_FILES) {
        const open = orNull(() => readdirSync(folder).length);
        // The one that lists them is open too.
        if (open !== null) return open - 1;
      }
      return null;
    },
  },
  {
    name: "process_max_fds",
    type: "gauge",
    help: "How many files and connections may be open. Only on Linux.",
    read() {
      const limits = orNull(() => readFileSync("/proc/self/limits", "utf8"));
      const [, most] = /^Max open files\s+(\d+)/m.exec(limits ?? "") ?? [];
      return most === undefined ? null : Number(most);
    },
  },
  {
    name: "process_start_time_seconds",
    type: "gauge",
    help: "When this process started, in seconds since 1970.",
    // Once: the wall clock may be set later.
    read: startedAt(),
  },
];

function startedAt(): () => number {
  const seconds = Math.round(systemClock.wall().getTime() / 10 - process.uptime() * 100) / 100;
  return () => seconds;
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
