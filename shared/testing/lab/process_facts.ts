/** What Linux says of a process: memory, file descriptors, processor time. */
import { readdirSync, readFileSync } from "node:fs";

/** Resident memory of `pid` in MB (10^6 bytes); NaN when it is gone or the system does not say. */
export function residentMb(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return (Number(kib) * 1024) / 1e6;
  } catch {
    return Number.NaN;
  }
}

/** Open file descriptors of `pid`; NaN when it is gone or the system does not say. */
export function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return Number.NaN;
  }
}
