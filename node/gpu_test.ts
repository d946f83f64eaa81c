import { describe, expect, test } from "bun:test";
import { fakeClock } from "../shared/testing/fake_clock.ts";
import { createGpuReader, parseNvidiaSmi, parseRocmSmi } from "./gpu.ts";

const MIB = 2 ** 20;

describe("parseNvidiaSmi", () => {
  test.each([
    [
      "two cards",
      "NVIDIA GeForce RTX 4090, 37, 10234, 24564\nNVIDIA GeForce RTX 3060, 0, 1, 12288\n",
      [
        { name: "NVIDIA GeForce RTX 4090", utilization: 0.37, memory_used: 10234 * MIB, memory_total: 24564 * MIB },
        { name: "NVIDIA GeForce RTX 3060", utilization: 0, memory_used: MIB, memory_total: 12288 * MIB },
      ],
    ],
    [
      "a card that does not tell everything",
      "Tesla K80, [Not Supported], 0, 11441\nNVIDIA GB10, 12, [N/A], [N/A]\n",
      [
        { name: "Tesla K80", utilization: null, memory_used: 0, memory_total: 11441 * MIB },
        { name: "NVIDIA GB10", utilization: 0.12, memory_used: null, memory_total: null },
      ],
    ],
    [
      "a missing driver",
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n",
      [],
    ],
    ["no card", "No devices were found\n", []],
    ["nothing", "", []],
  ])("%s", (_name, output, expected) => {
    expect(parseNvidiaSmi(output)).toEqual(expected);
  });
});

describe("parseRocmSmi", () => {
  test.each([
    [
      "one card",
      '{"card0": {"GPU use (%)": "73", "VRAM Total Memory (B)": "25753026560", "VRAM Total Used Memory (B)": "12345678", "Card Series": "Radeon RX 7900 XTX", "Card Model": "0x744c", "Card Vendor": "Advanced Micro Devices, Inc. [AMD/ATI]"}}',
      [{ name: "Radeon RX 7900 XTX", utilization: 0.73, memory_used: 12345678, memory_total: 25753026560 }],
    ],
    [
      "a warning in front and newer key names",
      'WARNING: AMD GPU device(s) is/are in a low-power state.\n{"card0": {"Device Name": "AMD Instinct MI210", "Card Series": "AMD Instinct MI210", "GPU use (%)": "N/A"}, "system": {"Driver version": "6.7.0"}}\n',
      [{ name: "AMD Instinct MI210", utilization: null, memory_used: null, memory_total: null }],
    ],
    ["no card", "WARNING: No JSON data to report\n", []],
    ["nothing", "", []],
  ])("%s", (_name, output, expected) => {
    expect(parseRocmSmi(output)).toEqual(expected);
  });
});

describe("createGpuReader", () => {
  test("a missing tool is asked again only after ten minutes", async () => {
    const clock = fakeClock();
    const asked: string[] = [];
    const read = createGpuReader(clock, async ([program = ""]) => {
      asked.push(program);
      return null;
    });
    expect(await read()).toEqual([]);
    expect(await read()).toEqual([]);
    expect(asked).toEqual(["nvidia-smi", "rocm-smi"]);
    await clock.advance(10 * 60_000);
    await read();
    expect(asked).toEqual(["nvidia-smi", "rocm-smi", "nvidia-smi", "rocm-smi"]);
  });

  test("the first tool that knows a card is asked every time, the other one never", async () => {
    const asked: string[] = [];
    const read = createGpuReader(fakeClock(), async ([program = ""]) => {
      asked.push(program);
      return "NVIDIA GeForce RTX 4090, 37, 10234, 24564\n";
    });
    expect(await read()).toHaveLength(1);
    expect(await read()).toHaveLength(1);
    expect(asked).toEqual(["nvidia-smi", "nvidia-smi"]);
  });

  const hasTool = ["nvidia-smi", "rocm-smi"].some((tool) => Bun.which(tool) !== null);
  test.skipIf(hasTool)("a machine without the tools has no graphics processor and no error", async () => {
    expect(await createGpuReader(fakeClock())()).toEqual([]);
  });
});
