/** Figures that are kept and only grow: counters and histograms with labels, each series a few numbers in memory. */

/** One series at a scrape. */
export interface Sample<Label extends string = string> {
  readonly labels: Readonly<Record<Label, string>>;
  readonly value: number;
}

/** What becomes lines of Prometheus' text. `suffix` is put behind the name. */
export interface Line extends Sample {
  readonly suffix?: "_bucket" | "_sum" | "_count";
}

type Labels<Label extends string> = Readonly<Record<Label, string>>;

export type Counter<Label extends string> = ReturnType<typeof createCounter<Label>>;
export type Histogram<Label extends string> = ReturnType<typeof createHistogram<Label>>;

/** A counter without series. */
export function createCounter<Label extends string>(labelNames: readonly Label[]) {
  const all = new Map<string, { readonly labels: Labels<Label>; value: number }>();
  return {
    /** Adds `by`, which must not be negative; 0 makes a series that is there before anything happens. */
    inc(labels: Labels<Label>, by = 1): void {
      const key = keyOf(labelNames, labels);
      const series = all.get(key);
      if (series) series.value += by;
      else all.set(key, { labels, value: by });
    },
    /** Every series as it is now. */
    lines: (): readonly Line[] => Array.from(all.values(), ({ labels, value }) => ({ labels, value })),
  };
}

/** One series of a histogram: who observes often keeps it and does without the look at the labels. */
export interface Distribution {
  /** Takes in `value`, in the histogram's base unit. */
  observe(value: number): void;
}

/** A histogram with these upper `bounds`, which grow. Without labels it has its one series from the start. */
export function createHistogram<Label extends string>(labelNames: readonly Label[], bounds: readonly number[]) {
  const all = new Map<string, Distribution & { readonly lines: () => Line[] }>();
  const bucketLabels = [...bounds.map(String), "+Inf"];

  function begin(labels: Labels<Label>): Distribution & { readonly lines: () => Line[] } {
    // How many fell into each bucket, the last without a bound.
    const counts = new Float64Array(bucketLabels.length);
    let sum = 0;
    return {
      observe(value) {
        let bucket = 0;
        while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++;
        counts[bucket] = (counts[bucket] ?? 0) + 1;
        sum += value;
      },
      lines() {
        let count = 0;
        const buckets = bucketLabels.map((le, index): Line => {
          count += counts[index] ?? 0;
          return { suffix: "_bucket", labels: { ...labels, le }, value: count };
        });
        return [...buckets, { suffix: "_sum", labels, value: sum }, { suffix: "_count", labels, value: count }];
      },
    };
  }

  function of(labels: Labels<Label>): Distribution {
    const key = keyOf(labelNames, labels);
    const series = all.get(key) ?? begin(labels);
    all.set(key, series);
    return series;
  }

  if (labelNames.length === 0) of({} as Labels<Label>);
  return {
    /** The series with these labels, which begins now where there is none. After `remove` it counts for nothing. */
    of,
    /** Ends the series with these labels. */
    remove: (labels: Labels<Label>): void => void all.delete(keyOf(labelNames, labels)),
    /** Every series as it is now. */
    lines: (): readonly Line[] => Array.from(all.values()).flatMap(({ lines }) => lines()),
  };
}

function keyOf<Label extends string>(labelNames: readonly Label[], labels: Labels<Label>): string {
  const [first] = labelNames;
  if (first === undefined) return "";
  // No separator can be told from a label that contains it, but with its length each can.
  let key: string = labels[first];
  for (let index = 1; index < labelNames.length; index++) {
    const value = labels[labelNames[index] as Label];
    key += `|${value.length}|${value}`;
  }
  return key;
}
