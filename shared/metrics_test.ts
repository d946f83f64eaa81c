import { expect, test } from "bun:test";
import { createMetrics } from "./metrics.ts";
import { fakeClock } from "./testing/fake_clock.ts";
import { readScrape, valueIn } from "./testing/prometheus_text.ts";
import { VERSION } from "./version.ts";

function open() {
  const clock = fakeClock();
  const metrics = createMetrics({ clock, role: "hub" });
  return { clock, metrics, scrape: async () => readScrape(await metrics.text()) };
}

test("a program tells of its process, its build and its event loop under the usual names and units", async () => {
  const { scrape, metrics } = open();
  const scraped = await scrape();
  expect(valueIn(scraped, "process_resident_memory_bytes")).toBeGreaterThan(10e6);
  expect(valueIn(scraped, "process_cpu_seconds_total")).toBeGreaterThan(0);
  expect(valueIn(scraped, "process_open_fds")).toBeGreaterThan(2);
  const started = valueIn(scraped, "process_start_time_seconds") ?? 0;
  expect(Math.abs(Date.now() / 1000 - performance.now() / 1000 - started)).toBeLessThan(5);
  expect(valueIn(scraped, "ollama_connector_build_info", { role: "hub", version: VERSION, bun: Bun.version })).toBe(1);
  expect(valueIn(scraped, "ollama_connector_event_loop_lag_seconds_count")).toBe(0);
  expect([...scraped.keys()]).toEqual(metrics.definitions.map(({ name }) => name));
});

test("how late a timer comes is the event loop's lag, and after the stop nobody looks any more", async () => {
  const { clock, metrics, scrape } = open();
  await clock.advance(1_000);
  const punctual = await scrape();
  expect(valueIn(punctual, "ollama_connector_event_loop_lag_seconds_count")).toBe(4);
  expect(valueIn(punctual, "ollama_connector_event_loop_lag_seconds_sum")).toBe(0);
  metrics.stop();
  expect(clock.pending).toBe(0);
});

test("names with quotes, backslashes, line breaks and of prototypes are told as they are", async () => {
  const { metrics, scrape } = open();
  const names = ['a"b', "c\\d", "e\nf", "__proto__", "constructor", "ü 日本", "", "x,y={z}"];
  const counter = metrics.counter("named_total", "Names.", ["name"]);
  for (const name of names) counter.inc({ name });
  metrics.gauges("viewed", "Names.", ["name"], () => names.map((name) => ({ labels: { name }, value: 2 })));
  const scraped = await scrape();
  for (const name of names) {
    expect([name, valueIn(scraped, "ollama_connector_named_total", { name })]).toEqual([name, 1]);
    expect([name, valueIn(scraped, "ollama_connector_viewed", { name })]).toEqual([name, 2]);
  }
});

test("a figure that is read at the scrape keeps nothing: what is there no more has no series", async () => {
  const { metrics, scrape } = open();
  const present = new Set(["a", "b"]);
  metrics.gauges("there", "Who is there.", ["who"], () =>
    Array.from(present, (who) => ({ labels: { who }, value: 1 })),
  );
  metrics.gauge("sometimes", "A number that is not always known.", () => (present.size > 1 ? 5 : null));
  expect(valueIn(await scrape(), "ollama_connector_there")).toBe(2);
  expect(valueIn(await scrape(), "ollama_connector_sometimes")).toBe(5);
  present.delete("a");
  const after = await scrape();
  expect(after.get("ollama_connector_there")?.series).toHaveLength(1);
  expect(valueIn(after, "ollama_connector_sometimes")).toBeNull();
});

test("who asks while the text is being written gets the same text", async () => {
  const { metrics } = open();
  let reads = 0;
  metrics.gauge("reads", "How often it was read.", () => ++reads);
  const [one, other] = await Promise.all([metrics.text(), metrics.text()]);
  expect(one).toBe(other);
  expect(reads).toBe(1);
  await metrics.text();
  expect(reads).toBe(2);
});
