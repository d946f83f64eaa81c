/** Reads Prometheus' text format (0.0.4) as strictly as Prometheus and promtool do together. */

export interface ReadSeries {
  /** Name of the line: a histogram's ends in `_bucket`, `_sum` or `_count`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly series: readonly ReadSeries[];
}

/** The metrics in a scrape, by name. */
export type Scrape = ReadonlyMap<string, ReadMetric>;

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9][0-9.e+-]*|[+-]Inf|NaN)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/y;
const TYPES = ["counter", "gauge", "histogram"];

/** Every metric of `text`. Throws an Error that names the first line that is wrong. */
export function readScrape(text: string): Scrape {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const metrics = new Map<string, ReadMetric & { series: ReadSeries[] }>();
  const seen = new Set<string>();
  let help: { name: string; text: string } | null = null;
  let current: (ReadMetric & { series: ReadSeries[] }) | null = null;
  for (const line of text.split("\n")) {
    const wrong = (why: string) => new Error(`${why}: ${line}`);
    const [, told, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (line === "") continue;
    if (told === "HELP") {
      help = { name, text: rest };
    } else if (told === "TYPE") {
      if (metrics.has(name)) throw wrong("a metric comes twice");
      if (help?.name !== name) throw wrong("a metric without help");
      if (!TYPES.includes(rest)) throw wrong("an unknown type");
      if (name.endsWith("_total") !== (rest === "counter")) throw wrong("counters, and only they, end in _total");
      current = { name, type: rest, help: help.text, series: [] };
      metrics.set(name, current);
    } else {
      const sample = readSample(line);
      if (sample === null) throw wrong("no sample");
      const base = current?.type === "histogram" ? sample.name.replace(/_(bucket|sum|count)$/, "") : sample.name;
      if (current === null || base !== current.name) throw wrong("a sample of another metric");
      const id = seriesId(sample);
      if (seen.has(id)) throw wrong("a series comes twice");
      seen.add(id);
      if (current.type === "counter" && !(sample.value >= 0)) throw wrong("a counter below zero");
      current.series.push(sample);
    }
  }
  for (const metric of metrics.values()) if (metric.type === "histogram") checkHistogram(metric);
  return metrics;
}

/** One string for a series: the same labels in another order are the same series. */
export function seriesId({ name, labels }: Pick<ReadSeries, "name" | "labels">): string {
  return JSON.stringify([name, Object.entries(labels).sort()]);
}

/** The value of the series of `name` that has all of `labels`; their sum where there are several, null for none. */
export function valueIn(scrape: Scrape, name: string, labels: Readonly<Record<string, string>> = {}): number | null {
  const metric = scrape.get(name) ?? scrape.get(name.replace(/_(bucket|sum|count)$/, ""));
  const fitting = metric?.series.filter(
    (series) =>
      series.name === name && Object.entries(labels).every(([label, value]) => series.labels[label] === value),
  );
  return fitting?.length ? fitting.reduce((sum, { value }) => sum + value, 0) : null;
}

function readSample(line: string): ReadSeries | null {
  const [, name, inBraces = "", number = ""] = SAMPLE.exec(line) ?? [];
  if (name === undefined) return null;
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < inBraces.length) {
    const [, label, value = ""] = LABEL.exec(inBraces) ?? [];
    if (label === undefined || Object.hasOwn(labels, label)) return null;
    labels[label] = value.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
  }
  const value = number.endsWith("Inf") ? Number(`${number}inity`) : Number(number);
  return { name, labels, value };
}

/** Buckets grow with their bounds, and the last of them is the count. */
function checkHistogram({ name, series }: ReadMetric): void {
  const groups = Map.groupBy(series, ({ labels: { le: _, ...labels } }) =>
    JSON.stringify(Object.entries(labels).sort()),
  );
  for (const [group, members] of groups) {
    const buckets = members.filter((each) => each.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels.le === "+Inf" ? Number.POSITIVE_INFINITY : labels.le));
    const counts = buckets.map(({ value }) => value);
    const count = members.find((each) => each.name === `${name}_count`)?.value;
    const sum = members.find((each) => each.name === `${name}_sum`)?.value;
    const grows = (list: readonly number[]) =>
      list.every((each, index) => index === 0 || each >= (list[index - 1] ?? 0));
    const whole = bounds.at(-1) === Number.POSITIVE_INFINITY && counts.at(-1) === count && sum !== undefined;
    if (!grows(bounds) || !grows(counts) || !whole) throw new Error(`${name} ${group} is no histogram`);
  }
}
