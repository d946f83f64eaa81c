/** Figures for Prometheus as hub and node both keep them: how one is defined, what every process has, and their text. */
import { type Clock, every } from "./clock.ts";
import { PROCESS_FIGURES } from "./process_figures.ts";
import { type Counter, createCounter, createHistogram, type Histogram, type Line, type Sample } from "./series.ts";
import { VERSION } from "./version.ts";

/** Begins every name but those of the process, which are the same in all programs. */
const PREFIX = "ollama_connector_";

/** The label of what has no name of its own here: a model nobody lists, a node that was forgotten. */
export const OTHER = "other";

/** What a metric is, for people: `docs/metrics.md` is made of these. */
export interface Definition {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

export interface MetricsOptions {
  readonly clock: Clock;
  /** Which of the two programs this is. */
  readonly role: "hub" | "node";
}

/**
 * Upper bounds in seconds for how long requests take, the same for hub and node: a cold load takes minutes, and so does a
 * whole answer of a CPU.
 */
export const REQUEST_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500];

/** Media type of the text. */
export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
/** Between two looks at how late the event loop is. */
const LAG_LOOK_MS = 250;
const LAG_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
/** Milliseconds for which the writing of a large fleet's figures holds up everything else before that has its turn. */
const LONGEST_TURN_MS = 4;
/** Lines between two looks at that. */
const LINES_A_LOOK = 128;

export type Metrics = ReturnType<typeof createMetrics>;

/** Figures of a program that starts now: its process, its event loop, its build, and what is defined besides. */
export function createMetrics({ clock, role }: MetricsOptions) {
  const definitions: Definition[] = [];
  /** How the lines of each are read, in the order of the definitions. */
  const readers: (() => Iterable<Line>)[] = [];
  let scrape: Promise<string> | null = null;

  /**
   * A figure with its lines as `read` gives them at a scrape. It goes through copies: while a long list is being
   * written, others have their turn.
   */
  function define({ name, type, labels, help }: Definition, read: () => Iterable<Line>): void {
    definitions.push({ name, type, labels, help });
    readers.push(read);
  }

  function number(definition: Omit<Definition, "labels">, read: () => number | null): void {
    define({ ...definition, labels: [] }, () => {
      const value = read();
      return value === null ? [] : [{ labels: {}, value }];
    });
  }

  for (const { read, ...figure } of PROCESS_FIGURES) number(figure, read);
  const build = { role, version: VERSION, bun: Bun.version };
  const help = "Always 1; its labels say what runs here.";
  define({ name: `${PREFIX}build_info`, type: "gauge", labels: Object.keys(build), help }, () => [
    { labels: build, value: 1 },
  ]);

  const self = {
    /** A counter named PREFIX + `name`; observed by whoever holds it. */
    counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
      const counter = createCounter(labelNames);
      define({ name: PREFIX + name, type: "counter", labels: labelNames, help }, counter.lines);
      return counter;
    },
    /** A histogram named PREFIX + `name` with these upper bounds, in its base unit. */
    histogram<Label extends string>(
      name: string,
      help: string,
      labelNames: readonly Label[],
      buckets: readonly number[],
    ): Histogram<Label> {
      const histogram = createHistogram(labelNames, buckets);
      define({ name: PREFIX + name, type: "histogram", labels: labelNames, help }, histogram.lines);
      return histogram;
    },
    /** A counter kept elsewhere, read at every scrape. */
    counted<Label extends string>(
      name: string,
      help: string,
      labels: readonly Label[],
      read: () => Iterable<Sample<Label>>,
    ): void {
      define({ name: PREFIX + name, type: "counter", labels, help }, read);
    },
    /** A gauge with labels, read at every scrape. */
    gauges<Label extends string>(
      name: string,
      help: string,
      labels: readonly Label[],
      read: () => Iterable<Sample<Label>>,
    ): void {
      define({ name: PREFIX + name, type: "gauge", labels, help }, read);
    },
    /** One number, read at every scrape; left out while it is null. */
    gauge(name: string, help: string, read: () => number | null): void {
      number({ name: PREFIX + name, type: "gauge", help }, read);
    },
    /** What there is, in the order of the text. */
    definitions: definitions as readonly Definition[],
    /** Everything in Prometheus' text format. Who asks while it is being written gets the same. */
    text(): Promise<string> {
      scrape ??= write().finally(() => {
        scrape = null;
      });
      return scrape;
    },
    /** Ends the looking at the event loop. */
    stop: () => stopLooking(),
  };

  async function write(): Promise<string> {
    const lines: string[] = [];
    let turnBegan = clock.now();
    async function letOthersWork(): Promise<void> {
      if (clock.now() - turnBegan < LONGEST_TURN_MS) return;
      await new Promise<void>((resolve) => setImmediate(resolve));
      turnBegan = clock.now();
    }
    for (const [index, { name, type, help }] of definitions.entries()) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      for (const line of readers[index]?.() ?? []) {
        lines.push(lineOf(name, line));
        if (lines.length % LINES_A_LOOK === 0) await letOthersWork();
      }
      await letOthersWork();
    }
    return `${lines.join("\n")}\n`;
  }

  const lag = self
    .histogram(
      "event_loop_lag_seconds",
      `How late a timer came, looked at every ${LAG_LOOK_MS} ms: all streams stand still for as long.`,
      [],
      LAG_BUCKETS,
    )
    .of({});
  let due = clock.now() + LAG_LOOK_MS;
  const stopLooking = every(clock, LAG_LOOK_MS, () => {
    const now = clock.now();
    lag.observe(Math.max(0, now - due) / 1000);
    due = now + LAG_LOOK_MS;
  });
  return self;
}

function lineOf(name: string, { suffix, labels, value }: Line): string {
  const series = suffix === undefined ? name : name + suffix;
  let inBraces = "";
  for (const label in labels) inBraces += `${inBraces && ","}${label}="${escapeLabel(labels[label] ?? "")}"`;
  return inBraces === "" ? `${series} ${value}` : `${series}{${inBraces}} ${value}`;
}

function escapeLabel(value: string): string {
  return /[\\"\n]/.test(value) ? value.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n") : value;
}
