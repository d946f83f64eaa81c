/** docs/metrics.md and the Grafana dashboard, compared with what hub and node really tell. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readScrape, type Scrape } from "../shared/testing/prometheus_text.ts";
import { type Fleet, startFleet } from "../shared/testing/start_fleet.ts";
import dashboard from "./grafana-dashboard.json" with { type: "json" };
import { allDefinitions, METRICS_PAGE, withMetricsTables } from "./metrics_table.ts";

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

const panels: readonly Panel[] = dashboard.panels;
const drawn = panels.filter(({ type }) => type !== "row");
const definitions = [...allDefinitions().hub, ...allDefinitions().node];
const page = await Bun.file(METRICS_PAGE).text();

let fleet: Fleet;
let scrapes: readonly Scrape[];
beforeAll(async () => {
  fleet = await startFleet({ nodes: ["a"] });
  await (await fleet.hub.job({ model: "llama3", prompt: "why" })).text();
  const texts = [fleet.hub.url, fleet.node("a").url].map(async (url) => (await fetch(`${url}/metrics`)).text());
  scrapes = (await Promise.all(texts)).map(readScrape);
});
afterAll(() => fleet[Symbol.asyncDispose]());

/** The names of metrics in a query, as its series are called. */
const metricsIn = (query: string) => query.match(/\b(?:ollama_connector|process)_\w+/g) ?? [];

/** The metric whose series are called `name`, of those of which `exists`. */
function metricOf(name: string, exists: (metric: string) => boolean): string | undefined {
  return [name, name.replace(/_(bucket|sum|count)$/, "")].find(exists);
}

/** `expr` must name only metrics and labels there are. */
function check(expr: string, where: string): void {
  const names = metricsIn(expr);
  expect([where, names.length > 0]).toEqual([where, true]);
  const labels = new Set(["instance", "job", "le"]);
  for (const name of names) {
    expect([where, name, metricOf(name, (each) => scrapes.some((scrape) => scrape.has(each)))]).not.toContain(
      undefined,
    );
    const metric = metricOf(name, (each) => definitions.some((definition) => definition.name === each));
    for (const label of definitions.find((each) => each.name === metric)?.labels ?? []) labels.add(label);
    if (definitions.find((each) => each.name === metric)?.type !== "histogram") continue;
    // Of a histogram there is no series by its bare name.
    expect([where, name]).not.toEqual([where, metric ?? ""]);
  }
  const used = [
    ...[...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside = ""]) => [...inside.matchAll(/(\w+)\s*[=!]/g)]),
    ...[...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, inside = ""]) => [...inside.matchAll(/(\w+)/g)]),
  ].map(([, label = ""]) => label);
  expect([where, used.filter((label) => !labels.has(label))]).toEqual([where, []]);
}

test("the tables of docs/metrics.md are what hub and node define: bun docs/metrics_table.ts", () => {
  expect(page).toBe(withMetricsTables(page));
});

test("hub and node tell what they define, and nothing else", () => {
  const told = scrapes.map((scrape) => [...scrape.values()].map(({ name, type, help }) => ({ name, type, help })));
  const { hub, node } = allDefinitions();
  expect(told).toEqual([hub, node].map((each) => each.map(({ name, type, help }) => ({ name, type, help }))));
});

test("no series has a label that is not defined, and names and units are as Prometheus wants them", () => {
  for (const scrape of scrapes) {
    for (const { name, type, series } of scrape.values()) {
      const labels = definitions.find((each) => each.name === name)?.labels ?? [];
      for (const each of series) {
        const own = Object.keys(each.labels).filter((label) => type !== "histogram" || label !== "le");
        expect([name, own]).toEqual([name, [...labels]]);
      }
      expect(name).toMatch(/^(ollama_connector|process)_[a-z_]+$/);
      expect(name).not.toMatch(/_(ms|milliseconds|mb|percent)(_|$)/);
      if (type === "histogram") expect(name).toEndWith("_seconds");
    }
  }
});

test("every panel of the dashboard asks for metrics and labels that exist", () => {
  expect(drawn.length).toBeGreaterThan(20);
  for (const { title, targets = [] } of drawn) {
    expect([title, targets.length > 0]).toEqual([title, true]);
    for (const { expr } of targets) check(expr, title);
  }
  for (const { name, query } of dashboard.templating.list) {
    if (typeof query === "object")
      expect([name, metricsIn(query.query).every((each) => scrapes[0]?.has(each))]).toEqual([name, true]);
  }
});

test("every metric of ours but a few is on the dashboard", () => {
  const shown = new Set(
    drawn.flatMap(({ targets = [] }) =>
      targets.flatMap(({ expr }) =>
        metricsIn(expr).map((name) =>
          metricOf(name, (each) => definitions.some((definition) => definition.name === each)),
        ),
      ),
    ),
  );
  const absent = new Set(definitions.map(({ name }) => name).filter((name) => !shown.has(name)));
  expect([...absent].sort()).toEqual([
    "ollama_connector_agent_ollama_models",
    "ollama_connector_agent_ollama_models_loaded",
    "ollama_connector_agent_request_duration_seconds",
    "ollama_connector_agent_slots",
    "ollama_connector_agent_slots_used",
    "process_start_time_seconds",
  ]);
});

test("the dashboard's panels have ids of their own and do not lie upon each other", () => {
  const ids = panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const taken = new Set<string>();
  for (const { title, gridPos } of panels) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect([title, x < 24, taken.has(`${x} ${y}`)]).toEqual([title, true, false]);
        taken.add(`${x} ${y}`);
      }
    }
  }
});

test("the page's queries name metrics and labels that exist", () => {
  const [, queries = ""] = /```promql\n([\s\S]*?)```/.exec(page) ?? [];
  const lines = queries
    .replace(/\n {2}/g, " ")
    .split("\n")
    .filter((line) => line !== "");
  expect(lines.length).toBeGreaterThan(3);
  for (const line of lines) check(line.replace(/#.*/, ""), line);
});
