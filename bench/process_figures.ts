/** What the kernel says of processes under test: processor time, memory, children. */
import { readdirSync, readFileSync } from "node:fs";

/** The kernel's unit of processor time in /proc, on every Linux: 1/100 s. */
const TICK_MS = 10;
/** Bytes of a megabyte, as people and the targets count. */
const MEGABYTE = 1e6;

/** Processor time in a text of `/proc/PID/stat`, all threads, user and system, milliseconds. */
export function processorMs(stat: string): number {
  // The name of the program comes second, in brackets, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Memory in use in a text of `/proc/PID/status`, megabytes. */
export function residentMb(status: string): number {
  return (Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024) / MEGABYTE;
}

/** The processors of a list as `/proc/self/status` has it: "0-2,5". */
export function processorsIn(list: string): number[] {
  return list
    .trim()
    .split(",")
    .flatMap((part) => {
      const [first = Number.NaN, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}

/** Processor time of all of `pids` so far, milliseconds. */
export function processorMsOf(pids: readonly number[]): number {
  return sum(pids.map((pid) => processorMs(readFileSync(`/proc/${pid}/stat`, "utf8"))));
}

/** Memory all of `pids` use now, megabytes. */
export function residentMbOf(pids: readonly number[]): number {
  return sum(pids.map((pid) => residentMb(readFileSync(`/proc/${pid}/status`, "utf8"))));
}

/** The process that started the one of a `/proc/PID/stat`. */
function parentIn(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** `pid` and the processes it has started itself: nginx is a master and a worker. */
export function withChildren(pid: number): number[] {
  const others = readdirSync("/proc").map(Number).filter(Number.isInteger);
  return [pid, ...others.filter((other) => parentOf(other) === pid)];
}

function parentOf(pid: number): number | null {
  try {
    return parentIn(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // Ended since it was listed.
    return null;
  }
}

/** The processors this process may run on. */
export function allowedProcessors(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return list === undefined ? [] : processorsIn(list);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
