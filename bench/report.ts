/** What was found, as tables: on the terminal and in docs/performance.md. */
import { NAMES, type Name } from "./contender.ts";
import { type Figure, figuresOf, isMet } from "./figures.ts";
import type { Measured } from "./measured.ts";
import type { Plan } from "./plan.ts";
import { type Spread, spreadOf } from "./spread.ts";

/** What a result is worth nothing without. */
export interface Circumstances {
  readonly commit: string;
  readonly date: string;
  readonly machine: string;
  /** Program and version. */
  readonly versions: readonly string[];
  /** How long all of it took. */
  readonly seconds: number;
}

/** Everything that was measured, as Markdown. */
export function tablesOf(measured: Measured, plan: Plan): string {
  const parts = [sideBySide(measured, plan), targets(figuresOf(measured, plan.idle.count))];
  const proofs = measured.proofs.map(({ what, build, streams, atOnce, answered, mb }) => [
    `${what}, ${build === "source" ? "from source" : build}`,
    `${atOnce} of ${streams}`,
    String(answered),
    mb.toFixed(0),
  ]);
  if (proofs.length > 0) {
    parts.push(table(["many streams through", "open at once", "answered whole", "memory, MB"], proofs));
  }
  if (measured.notes.length > 0) parts.push(measured.notes.map((note) => `- ${note}`).join("\n"));
  return parts.join("\n\n");
}

/** The document: tables, under which circumstances, and how it was measured. */
export function documentOf(measured: Measured, plan: Plan, how: Circumstances): string {
  const figures = figuresOf(measured, plan.idle.count);
  const missed = figures.filter((figure) => isMet(figure) === false).map(({ what }) => what);
  const summary =
    missed.length === 0
      ? "Every target is met."
      : `Missed: ${missed.map((what) => what.replaceAll("\n", " ")).join("; ")}.`;
  return `# Performance

\`bun run bench\` writes this file; nobody edits it by hand. What a hub costs, beside what stands in its place elsewhere, in
one run on one machine. Ratios are the result: the milliseconds and microseconds are this machine's.

${summary}

${tablesOf(measured, plan)}

Commit ${how.commit}, ${how.date}, ${how.machine}; ${how.versions.join(", ")}; ${Math.round(how.seconds)} s.

${method(plan)}
`;
}

function sideBySide({ streams, requests, firstByte, idleStreams }: Measured, { idle }: Plan): string {
  const rows = NAMES.filter((name) => streams.has(name)).map((name) => {
    const of = <Round>(rounds: Map<Name, Round[]>, read: (round: Round) => number, digits: number) =>
      spreadText(spreadOf((rounds.get(name) ?? []).map(read)), digits);
    return [
      name,
      of(streams, ({ cpuUs }) => cpuUs, 1),
      of(streams, ({ p50 }) => p50, 3),
      of(streams, ({ p99 }) => p99, 3),
      of(requests, ({ perSecond }) => perSecond, 0),
      of(requests, ({ cpuUs }) => cpuUs, 1),
      of(firstByte, (p50) => p50, 3),
      of(idleStreams, (mb) => mb, 0),
    ];
  });
  const titles = [
    "",
    "processor a chunk, µs",
    "delay p50, ms",
    "delay p99, ms",
    "small requests a second",
    "processor a request, µs",
    "first byte p50, ms",
    `memory at ${idle.count} streams, MB`,
  ];
  return table(titles, rows);
}

function targets(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { what, unit, value, target } = figure;
    const met = isMet(figure);
    const digits = unit === "streams" || unit === "MB" ? 0 : 2;
    const limit = `${target.is === "at most" ? "≤" : "≥"} ${target.limit} ${unit}`;
    return [what, limit, spreadText(value, digits), met === null ? "not measured" : met ? "met" : "**missed**"];
  });
  return table(["figure", "target", "measured", ""], rows);
}

/** "2.00 (1.00–3.00)", or "2.00" where that is all there is, or "–" for nothing. */
export function spreadText(spread: Spread | null, digits: number): string {
  if (spread === null) return "–";
  const [median, min, max] = [spread.median, spread.min, spread.max].map((value) => value.toFixed(digits));
  return min === max ? `${median}` : `${median} (${min}–${max})`;
}

/** A table in Markdown, its columns even, so that it can be read on a terminal too. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`;
  return [line(titles), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)].join("\n");
}

function method({ rounds, streams, requests, firstByte, idle, starts }: Plan): string {
  return `## How it is measured

- Everything is on the loopback of one machine. What is under test has one processor for itself, all its processes and
  threads together; the load and the upstream share another one. Each value is a median with least and greatest of
  ${rounds} rounds; in every second round the order is turned around. A ratio is of two values of the same round.
- The upstream is one process (\`bench/upstream.ts\`) that answers from prepared text, as an Ollama and as ten nodes. The row
  \`direct\` is load and upstream alone: what they can do is what they do not limit.
- \`hub\` is one hop: the ten nodes are the upstream itself. They have keys, prove their addresses and get tickets, and every
  request goes through selection, log, metrics and limits, but nothing is done behind the hub. \`hub + node\` is two hops, with one
  agent. Both are compiled, with their settings as they are by default, except \`SOURCE_CONCURRENT=0\`.
- nginx has one worker, \`proxy_buffering off\`, HTTP/1.1 with kept connections to the upstream; HAProxy one thread and
  \`option http-no-delay\`. Both write a line a request to a file, as the hub does.
- Streams: ${streams.count} at a time with a line of 100 bytes every ${streams.everyMs} ms, for ${streams.windowMs / 1000} s after ${streams.warmMs / 1000} s. Each line says when it was
  written; its delay ends where the client has read it. Added is what is more than the median of \`direct\`
  in the same round.
- Small requests: \`wrk\` asks for whole answers of about 300 bytes over ${requests.connections} connections, ${requests.seconds} s a round.
- First byte: short streams one after another over one connection, ${firstByte.windowMs / 1000} s a round.
- Memory: ${idle.count} streams with a line every ${idle.everyMs / 1000} s, of a process that has just been started; resident set of all its processes when
  the last stream has its first line. A row of many streams says how many of them came to their end with every line.
- Start: from the start of the executable to its first answered request, and the resident set a moment later, ${starts} times. The
  node has an Ollama and the hub has the node.
`.trimEnd();
}
