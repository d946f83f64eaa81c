import { expect, test } from "bun:test";
import {
  allowedProcessors,
  processorMs,
  processorMsOf,
  processorsIn,
  residentMb,
  residentMbOf,
  withChildren,
} from "./process_figures.ts";

test("processor time is user and system time together, whatever the program is called", () => {
  const stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 12345 1000 200\n";
  expect(processorMs(stat)).toBe(3000);
});

test("memory is the resident part, in megabytes", () => {
  expect(residentMb("Name:\tbun\nVmPeak:\t  900000 kB\nVmRSS:\t   50000 kB\n")).toBe(51.2);
});

test("a list of processors has ranges and single ones", () => {
  expect(processorsIn("0-2,5")).toEqual([0, 1, 2, 5]);
  expect(processorsIn("3\n")).toEqual([3]);
});

test.if(process.platform === "linux")("the figures of this process are there", () => {
  expect(processorMsOf([process.pid])).toBeGreaterThanOrEqual(0);
  expect(residentMbOf([process.pid])).toBeGreaterThan(10);
  expect(allowedProcessors().length).toBeGreaterThan(0);
});

test.if(process.platform === "linux")("a process is found among the children of the one that started it", () => {
  expect(withChildren(process.ppid)).toContain(process.pid);
});
