/** The fleets and loads that are simulated. What is not said to be published is ours. */
import type { MachineSpec, ModelSpec } from "./machine.ts";
import type { Demand, Scenario, Traffic } from "./scenario.ts";

/** Sizes as Ollama's library shows them for its default quantization. */
const MODELS = {
  small: { name: "llama3.2:3b", gb: 2.0 },
  coder: { name: "qwen2.5-coder:7b", gb: 4.7 },
  medium: { name: "llama3.1:8b", gb: 4.9 },
  gemma: { name: "gemma3:12b", gb: 8.1 },
  large: { name: "qwen2.5:14b", gb: 9.0 },
  huge: { name: "qwen2.5:32b", gb: 20 },
} satisfies Record<string, ModelSpec>;

const ALL = Object.values(MODELS);
const UP_TO = (gb: number) => ALL.filter((model) => model.gb <= gb);

type Kind = Omit<MachineSpec, "id" | "models">;

/** Kinds of machines. Speeds are of a model of 1 GB: an 8-billion model of 4.9 GB runs at a fifth of them. */
const KINDS = {
  /** 24 GB graphics card: the 8-billion model reads about 3,000 tokens a second and writes 100. */
  big: {
    memoryGb: 22,
    diskGbPerSecond: 1.5,
    promptSpeed: 15_000,
    answerSpeed: 500,
    parallel: 4,
    slots: 4,
    maxLoaded: 3,
    cpuOnly: false,
  },
  /** 12 GB graphics card: 1,200 and 50. */
  middle: {
    memoryGb: 11,
    diskGbPerSecond: 0.5,
    promptSpeed: 6_000,
    answerSpeed: 250,
    parallel: 2,
    slots: 2,
    maxLoaded: 3,
    cpuOnly: false,
  },
  /** Laptop with shared memory: 200 and 12. */
  laptop: {
    memoryGb: 11,
    diskGbPerSecond: 2,
    promptSpeed: 1_000,
    answerSpeed: 60,
    parallel: 2,
    slots: 2,
    maxLoaded: 3,
    cpuOnly: false,
  },
  /** No graphics card: 104 tokens a second (measured on a Ryzen 7950X, github.com/ikawrakow/ik_llama.cpp wiki) and 8. */
  processor: {
    memoryGb: 28,
    diskGbPerSecond: 0.5,
    promptSpeed: 510,
    answerSpeed: 40,
    parallel: 1,
    slots: 4,
    maxLoaded: 3,
    cpuOnly: true,
  },
  /** 12 GB graphics card and a hard disk. */
  hardDisk: {
    memoryGb: 11,
    diskGbPerSecond: 0.15,
    promptSpeed: 6_000,
    answerSpeed: 250,
    parallel: 2,
    slots: 2,
    maxLoaded: 3,
    cpuOnly: false,
  },
} satisfies Record<string, Kind>;

const machine = (id: string, kind: keyof typeof KINDS, models: readonly ModelSpec[]): MachineSpec => ({
  id,
  ...KINDS[kind],
  models,
});

const demand = (
  model: ModelSpec,
  weight = 1,
  context: number | null = null,
  lengths: Demand["lengths"] = "conversation",
): Demand => ({
  model: model.name,
  weight,
  context,
  lengths,
});

const traffic = (perMinute: number, demands: readonly Demand[], changes: Partial<Traffic> = {}): Traffic => ({
  perMinute,
  shape: 0.5,
  conversations: 0.4,
  requests: 2000,
  demands,
  ...changes,
});

const ONE = [MODELS.medium];

const UNEQUAL = [
  machine("a-big", "big", ONE),
  machine("b-middle", "middle", ONE),
  machine("c-middle", "middle", ONE),
  machine("d-laptop", "laptop", ONE),
  machine("e-hard-disk", "hardDisk", ONE),
];

const MIXED = [
  machine("a-big", "big", ALL),
  machine("b-big", "big", ALL),
  machine("c-middle", "middle", UP_TO(9)),
  machine("d-middle", "middle", UP_TO(9)),
  machine("e-laptop", "laptop", UP_TO(9)),
  machine("f-hard-disk", "hardDisk", UP_TO(9)),
];

/** As Zipf's law has it: the second half as often as the first, the third a third. */
const MIX = [
  demand(MODELS.medium, 1),
  demand(MODELS.coder, 1 / 2),
  demand(MODELS.small, 1 / 3),
  demand(MODELS.gemma, 1 / 4),
  demand(MODELS.large, 1 / 5),
  demand(MODELS.huge, 1 / 6),
];

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "equal machines, one model",
    about: "Four 12 GB graphics cards.",
    machines: ["a", "b", "c", "d"].map((id) => machine(id, "middle", ONE)),
    traffic: traffic(9, [demand(MODELS.medium)]),
  },
  {
    name: "unequal machines, one model",
    about: "A 24 GB card, three 12 GB cards, one of them with a hard disk, and a laptop.",
    machines: UNEQUAL,
    traffic: traffic(14, [demand(MODELS.medium)]),
  },
  {
    name: "mixed models",
    about: "Six models, of which no machine holds more than three in memory, on six unequal machines.",
    machines: MIXED,
    traffic: traffic(12, MIX),
  },
  {
    name: "models that all fit",
    about: "Three small models on four 24 GB cards: each machine can hold all of them.",
    machines: ["a", "b", "c", "d"].map((id) => machine(id, "big", UP_TO(5))),
    traffic: traffic(45, [demand(MODELS.medium), demand(MODELS.coder), demand(MODELS.small)]),
  },
  {
    name: "bursts",
    about: "The mixed models; the time between two requests is gamma distributed with shape 0.1.",
    machines: MIXED,
    traffic: traffic(10, MIX, { shape: 0.1 }),
  },
  {
    name: "overload",
    about: "The unequal machines with more than they can do, each request on its own.",
    machines: UNEQUAL,
    traffic: traffic(80, [demand(MODELS.medium)], { conversations: 0 }),
  },
  {
    name: "one slow machine",
    about:
      "Three 12 GB cards and one machine without a card, whose agent reports four slots while its Ollama runs one.",
    machines: [
      machine("a", "middle", ONE),
      machine("b", "middle", ONE),
      machine("c", "middle", ONE),
      machine("d-processor", "processor", ONE),
    ],
    traffic: traffic(7, [demand(MODELS.medium)]),
  },
  {
    name: "context sizes",
    about: "One model with the default context, with 8,192 and, for long texts, with 16,384 tokens.",
    machines: [
      machine("a-big", "big", ONE),
      ...["b", "c", "d"].map((id) => machine(id, "middle", ONE)),
      machine("e-laptop", "laptop", ONE),
    ],
    traffic: traffic(8, [
      demand(MODELS.medium, 1),
      demand(MODELS.medium, 0.5, 8192),
      demand(MODELS.medium, 0.15, 16_384, "long text"),
    ]),
  },
];
