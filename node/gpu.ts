/** The graphics processors of this machine, as nvidia-smi or rocm-smi tell them. */

import type { Clock } from "../shared/clock.ts";
import { parseJson } from "../shared/json.ts";
import type { Gpu } from "../shared/protocol.ts";

interface Tool {
  readonly command: readonly [program: string, ...args: string[]];
  readonly parse: (output: string) => Gpu[];
}

const TOOLS: readonly Tool[] = [
  {
    command: [
      "nvidia-smi",
      "--query-gpu=name,utilization.gpu,memory.used,memory.total",
      "--format=csv,noheader,nounits",
    ],
    parse: parseNvidiaSmi,
  },
  { command: ["rocm-smi", "--showproductname", "--showuse", "--showmeminfo", "vram", "--json"], parse: parseRocmSmi },
];

/** The tool's output, or null when it is absent, fails or does not end in time. */
export type RunTool = (command: readonly string[]) => Promise<string | null>;

/** A tool that gave nothing is left alone this long, so that it is not started for every heartbeat. */
const LEAVE_ALONE_MS = 10 * 60_000;

/** Reads the graphics processors; an empty list where there are none or no tool tells them. */
export function createGpuReader(clock: Clock, run: RunTool = runTool): () => Promise<Gpu[]> {
  const silentUntil = new Map<Tool, number>();
  return async () => {
    for (const tool of TOOLS) {
      if (clock.now() < (silentUntil.get(tool) ?? 0)) continue;
      const output = await run(tool.command);
      const gpus = output === null ? [] : tool.parse(output);
      if (gpus.length > 0) return gpus;
      silentUntil.set(tool, clock.now() + LEAVE_ALONE_MS);
    }
    return [];
  };
}

/** nvidia-smi's CSV without header and units: name, utilization in %, memory used and total in MiB. */
export function parseNvidiaSmi(output: string): Gpu[] {
  return output.split("\n").flatMap((line) => {
    // A name holds no comma, but an error message ("NVIDIA-SMI has failed because …, …") may: four fields or nothing.
    const fields = line.split(",").map((field) => field.trim());
    const [name, busy, used, total] = fields;
    if (fields.length !== 4 || !name) return [];
    return [gpuOf(name, percent(busy), mebibytes(used), mebibytes(total))];
  });
}

/** rocm-smi's JSON: an object with one entry a card; its keys differ a little between releases. */
export function parseRocmSmi(output: string): Gpu[] {
  const start = output.indexOf("{");
  const cards = parseObject(start < 0 ? "" : output.slice(start));
  return Object.entries(cards).flatMap(([card, fields]) => {
    if (!/^card\d+$/.test(card) || typeof fields !== "object" || fields === null) return [];
    const field = (...names: string[]) => {
      const found = Object.entries(fields).find(([name]) => names.includes(name.toLowerCase()));
      return found === undefined ? undefined : String(found[1]);
    };
    const name = field("card series", "card model", "device name") ?? card;
    const used = field("vram total used memory (b)");
    const total = field("vram total memory (b)");
    return [gpuOf(name, percent(field("gpu use (%)")), numberOf(used), numberOf(total))];
  });
}

function gpuOf(name: string, utilization: number | null, used: number | null, total: number | null): Gpu {
  return { name: name.slice(0, 128), utilization, memory_used: used, memory_total: total };
}

function parseObject(text: string): object {
  const value = parseJson(text);
  return typeof value === "object" && value !== null ? value : {};
}

/** A number, or null for what the tools write instead: [N/A], [Not Supported], nothing. */
function numberOf(text: string | undefined): number | null {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : null;
}

function percent(text: string | undefined): number | null {
  const value = numberOf(text);
  return value === null ? null : Math.min(1, value / 100);
}

function mebibytes(text: string | undefined): number | null {
  const value = numberOf(text);
  return value === null ? null : value * 2 ** 20;
}

/** A driver that hangs must not keep a process for ever. */
const TOOL_TIMEOUT_MS = 5000;

async function runTool(command: readonly string[]): Promise<string | null> {
  const [program = "", ...args] = command;
  const path = Bun.which(program);
  if (path === null) return null;
  try {
    const child = Bun.spawn([path, ...args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      timeout: TOOL_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const [output, code] = await Promise.all([child.stdout.text(), child.exited]);
    return code === 0 ? output : null;
  } catch {
    return null;
  }
}
