// Sends a hub, a process of its own, changed requests for a while, and says what it must never have done.
import { readFileSync } from "node:fs";
import { runProgram } from "../programs.ts";
import { chanceFrom, mutate } from "./mutate.ts";
import { type RawAnswer, sendRaw } from "./raw_client.ts";
import { SEEDS } from "./seeds.ts";

export interface FuzzReport {
  readonly seed: number;
  readonly sent: number;
  /** How often each status came; "none" where the connection was closed without one. */
  readonly statuses: Readonly<Record<string, number>>;
  /** What must not be, with the bytes that did it. Empty where all is well. */
  readonly findings: readonly string[];
  /** Megabytes, after the first tenth of the time, and at the end. */
  readonly memory: readonly [number, number];
}

/** Statuses above 499 that are specified: nobody there, too slow, a version of HTTP that is not spoken. */
const SPECIFIED: ReadonlySet<number> = new Set([503, 504, 505]);
/** Requests on their way at the same time. */
const LANES = 8;
const MOST_FINDINGS = 10;

/** Fuzzes for `ms` milliseconds. The same seed sends the same requests, in about the same order. */
export async function fuzzHub(ms: number, seed: number, environment: Record<string, string> = {}): Promise<FuzzReport> {
  await using hub = await runProgram("hub", "source", { PORT: "0", LOG_LEVEL: "INFO", ...environment });
  const until = performance.now() + ms;
  const warmAt = performance.now() + ms / 10;
  const statuses: Record<string, number> = {};
  const findings: string[] = [];
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${hub.pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  let [sent, lines, warm] = [0, 0, 0];

  const lane = async (number: number) => {
    const chance = chanceFrom(seed * LANES + number);
    const anySeed = () => SEEDS[Math.floor(chance() * SEEDS.length)] as Uint8Array;
    while (performance.now() < until && findings.length < MOST_FINDINGS) {
      const bytes = mutate(anySeed(), anySeed(), chance);
      const answer = await sendRaw(hub.port, bytes, 40);
      sent++;
      const status = answer.status ?? "none";
      statuses[status] = (statuses[status] ?? 0) + 1;
      const wrong = whatIsWrong(answer) ?? newComplaint();
      if (wrong !== null)
        findings.push(`${wrong}\n  by ${JSON.stringify(Buffer.from(bytes).toString("latin1").slice(0, 2_000))}`);
      if (warm === 0 && performance.now() > warmAt) warm = memory();
    }
  };
  function newComplaint(): string | null {
    const fresh = hub.lines.slice(lines);
    lines = hub.lines.length;
    return (
      fresh.find((line) => /unhandled|uncaught|unexpected error|"level":"fatal"/i.test(line))?.slice(0, 1_500) ?? null
    );
  }

  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
  const health = await fetch(`http://127.0.0.1:${hub.port}/healthz`).then(({ status }) => status, String);
  if (health !== 200) findings.push(`the next good request got ${health}`);
  if (hub.errors() !== "") findings.push(`on standard error: ${hub.errors().slice(0, 1_000)}`);
  const complaint = newComplaint();
  if (complaint !== null) findings.push(complaint);
  return { seed, sent, statuses, findings, memory: [Math.round(warm), Math.round(memory())] };
}

function whatIsWrong({ status, text, ended }: RawAnswer): string | null {
  if (status === null && ended === "reset" && text === "") return null;
  return status !== null && status >= 500 && !SPECIFIED.has(status) ? `status ${status}: ${text.slice(0, 500)}` : null;
}
