/** The figures that have a target, out of what was measured. */
import type { Name } from "./contender.ts";
import type { Measured } from "./measured.ts";
import { inPairs, type Spread, spreadOf, times } from "./spread.ts";

export interface Figure {
  readonly what: string;
  readonly unit: "×" | "ms" | "MB" | "streams";
  /** Null where it could not be measured. */
  readonly value: Spread | null;
  readonly target: { readonly limit: number; readonly is: "at most" | "at least" };
}

/** Whether a figure reaches its target: by its median. Null where it could not be measured. */
export function isMet({ value, target: { limit, is } }: Figure): boolean | null {
  if (value === null) return null;
  return is === "at most" ? value.median <= limit : value.median >= limit;
}

const atMost = (limit: number) => ({ limit, is: "at most" }) as const;
const atLeast = (limit: number) => ({ limit, is: "at least" }) as const;

/** Every figure with a target, the hub's against nginx's in the same round. `idleStreams`: how many there were. */
export function figuresOf(measured: Measured, idleStreams: number): Figure[] {
  const { streams, requests, firstByte, starts } = measured;
  const cpu = (name: Name) => (streams.get(name) ?? []).map(({ cpuUs }) => cpuUs);
  const perSecond = (name: Name) => (requests.get(name) ?? []).map((round) => round.perSecond);
  const started = (which: "hub" | "node", of: "ms" | "mb") => spreadOf((starts.get(which) ?? []).map((run) => run[of]));
  const paired = (ours: number[], theirs: number[]) => spreadOf(inPairs(ours, theirs, times));
  const addedDelay = (of: "p50" | "p99") => paired(added(streams, "hub", of), added(streams, "nginx", of));
  const minus = (our: number, their: number) => our - their;
  const firstByteOver = inPairs(firstByte.get("hub") ?? [], firstByte.get("nginx") ?? [], minus);
  const figures: Figure[] = [
    {
      what: "processor time a streamed chunk, hub : nginx",
      unit: "×",
      value: paired(cpu("hub"), cpu("nginx")),
      target: atMost(1.15),
    },
    { what: "delay added to a chunk, p50, hub : nginx", unit: "×", value: addedDelay("p50"), target: atMost(1.2) },
    { what: "delay added to a chunk, p99, hub : nginx", unit: "×", value: addedDelay("p99"), target: atMost(1) },
    {
      what: "small requests a second, hub : nginx",
      unit: "×",
      value: paired(perSecond("hub"), perSecond("nginx")),
      target: atLeast(0.6),
    },
    {
      what: "first byte at one connection, p50, hub over nginx",
      unit: "ms",
      value: spreadOf(firstByteOver),
      target: atMost(0.12),
    },
    {
      what: `memory of the hub at ${idleStreams} near-idle streams`,
      unit: "MB",
      value: spreadOf(measured.idleStreams.get("hub") ?? []),
      target: atMost(130),
    },
    {
      what: "processor time a chunk, hub + node : hub",
      unit: "×",
      value: paired(cpu("hub + node"), cpu("hub")),
      target: atMost(2.1),
    },
    { what: "start to first answer, hub, compiled", unit: "ms", value: started("hub", "ms"), target: atMost(150) },
    { what: "start to first answer, node, compiled", unit: "ms", value: started("node", "ms"), target: atMost(150) },
    { what: "memory at rest, hub, compiled", unit: "MB", value: started("hub", "mb"), target: atMost(60) },
    { what: "memory at rest, node, compiled", unit: "MB", value: started("node", "mb"), target: atMost(60) },
  ];
  return figures.concat(
    measured.proofs.map(({ what, build, streams: count, answered, atOnce }) => ({
      what: `streams at the same time that were answered whole, ${what}, ${build === "source" ? "from source" : build}`,
      unit: "streams",
      value: spreadOf([Math.min(answered, atOnce)]),
      target: atLeast(count),
    })),
  );
}

/**
 * What `name` adds to the delay, round by round: how much longer it takes than a chunk usually takes with nothing in
 * between. Not than the slowest chunks take there: those are slow for other reasons, and the difference may be anything.
 */
function added(streams: Measured["streams"], name: Name, of: "p50" | "p99"): number[] {
  const ours = (streams.get(name) ?? []).map((round) => round[of]);
  const usual = (streams.get("direct") ?? []).map(({ p50 }) => p50);
  return inPairs(ours, usual, (our, without) => our - without);
}
