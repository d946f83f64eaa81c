import { expect, test } from "bun:test";
import { createMetrics } from "../../shared/metrics.ts";
import { modelKey } from "../../shared/model_name.ts";
import { fakeClock } from "../../shared/testing/fake_clock.ts";
import { readScrape, type Scrape, valueIn } from "../../shared/testing/prometheus_text.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import type { Decision } from "../policy/decision.ts";
import { createRequestLog, type RequestStart } from "../request_log.ts";
import { attemptAt, CHAT } from "../testing/record.ts";
import { createRequestFigures, MOST_MODELS } from "./request_figures.ts";

const NAME = "ollama_connector_";

function open(nodes: Readonly<Record<string, readonly string[]>> = { a: ["llama3"], b: ["llama3"] }) {
  const clock = fakeClock();
  const known = new Map<string, NodeRecord>();
  const list = (id: string, models: readonly string[]) =>
    known.set(id, { id, models: new Set(models.map(modelKey)) } as unknown as NodeRecord);
  for (const [id, models] of Object.entries(nodes)) list(id, models);
  const metrics = createMetrics({ clock, role: "hub" });
  const figures = createRequestFigures(metrics, { get: (id) => known.get(id), all: () => known.values() });
  const log = createRequestLog({ clock, keepPrompts: false, onFinish: figures.finished });
  let requests = 0;
  return {
    clock,
    known,
    list,
    figures,
    begin: (start: Partial<RequestStart> = {}) =>
      log.begin({
        ...CHAT,
        requestId: `r${++requests}`,
        ...start,
      }),
    async scrape(): Promise<Scrape> {
      figures.tidy();
      return readScrape(await metrics.text());
    },
  };
}

const PLACED = { outcome: "node" } as unknown as Decision<never>;

const seriesIn = (scrape: Scrape) => [...scrape.values()].reduce((sum, { series }) => sum + series.length, 0);

test("a streamed answer is counted by route, node and model, its times in seconds", async () => {
  const { clock, begin, scrape } = open();
  const record = begin();
  record.decided(PLACED);
  record.attempted(attemptAt("a"));
  await clock.advance(400);
  record.firstByte();
  await clock.advance(2_000);
  record.tokens(12, 41);
  record.finish({ status: 200, error: null });
  const scraped = await scrape();
  const endpoint = "/api/chat";
  expect(valueIn(scraped, `${NAME}requests_total`, { endpoint, status: "2xx", result: "ok" })).toBe(1);
  expect(valueIn(scraped, `${NAME}attempts_total`, { node: "a", outcome: "ok" })).toBe(1);
  expect(valueIn(scraped, `${NAME}request_duration_seconds_sum`, { endpoint })).toBe(2.4);
  expect(valueIn(scraped, `${NAME}time_to_first_token_seconds_sum`, { model: "llama3:latest" })).toBe(0.4);
  expect(valueIn(scraped, `${NAME}time_per_output_token_seconds_sum`, { model: "llama3:latest" })).toBe(0.05);
  expect(valueIn(scraped, `${NAME}tokens_total`, { node: "a", model: "llama3:latest", kind: "prompt" })).toBe(12);
  expect(valueIn(scraped, `${NAME}tokens_total`, { node: "a", model: "llama3:latest", kind: "completion" })).toBe(41);
  expect(valueIn(scraped, `${NAME}failovers_total`)).toBe(0);
  expect(valueIn(scraped, `${NAME}queue_wait_seconds_count`)).toBe(0);
  expect(valueIn(scraped, `${NAME}refusals_total`)).toBe(0);
});

test("what was spelled otherwise is one model, and a whole answer has no first token and no pace", async () => {
  const { begin, scrape } = open();
  for (const model of ["llama3", "LLaMA3:latest", "library/llama3"]) {
    const record = begin({ model, stream: false });
    record.attempted(attemptAt("b"));
    record.firstByte();
    record.tokens(1, 2);
    record.finish({ status: 200, error: null });
  }
  const scraped = await scrape();
  expect(
    scraped.get(`${NAME}tokens_total`)?.series.map(({ labels, value }) => [labels.model, labels.kind, value]),
  ).toEqual([
    ["llama3:latest", "prompt", 3],
    ["llama3:latest", "completion", 6],
  ]);
  expect(valueIn(scraped, `${NAME}time_to_first_token_seconds_count`)).toBe(0);
  expect(valueIn(scraped, `${NAME}time_per_output_token_seconds_count`)).toBe(0);
});

test("a failover is counted by what came of the node before; several nodes on purpose are none", async () => {
  const { begin, scrape } = open();
  const moved = begin();
  moved.decided(PLACED);
  moved.attempted(attemptAt("a", "connection_lost"));
  moved.attempted(attemptAt("b"));
  moved.finish({ status: 200, error: null });
  const pull = begin({ endpoint: "/api/pull", generates: false });
  pull.attempted(attemptAt("a", "failed"));
  pull.attempted(attemptAt("b"));
  pull.finish({ status: 200, error: "a: no space left" });
  const scraped = await scrape();
  expect(valueIn(scraped, `${NAME}failovers_total`)).toBe(1);
  expect(valueIn(scraped, `${NAME}failovers_total`, { reason: "connection_lost" })).toBe(1);
  expect(valueIn(scraped, `${NAME}requests_total`, { endpoint: "/api/pull", status: "2xx", result: "error" })).toBe(1);
});

test("refusals have their reason, a client that left is no error, and who waited is in the histogram", async () => {
  const { begin, scrape } = open();
  const full = begin();
  full.queuedAt(3);
  full.waited(1_500);
  full.finish({ status: 503, error: "no slot became free in time", refusal: "queue_timeout" });
  begin({ endpoint: "/api/pull" }).finish({ status: 403, error: "managing models is switched off" });
  begin().finish({ status: 499, error: "the client left" });
  const scraped = await scrape();
  expect(valueIn(scraped, `${NAME}refusals_total`, { reason: "queue_timeout" })).toBe(1);
  expect(valueIn(scraped, `${NAME}refusals_total`, { reason: "other" })).toBe(1);
  expect(valueIn(scraped, `${NAME}refusals_total`)).toBe(2);
  expect(valueIn(scraped, `${NAME}requests_total`, { status: "4xx", result: "left" })).toBe(1);
  expect(valueIn(scraped, `${NAME}queue_wait_seconds_sum`)).toBe(1.5);
  expect(valueIn(scraped, `${NAME}queue_wait_seconds_count`)).toBe(1);
});

test("ten thousand invented models, paths and nodes add no series", async () => {
  const { begin, scrape } = open();
  const ask = (model: string, endpoint: string, node: string) => {
    const refused = begin({ model, endpoint });
    refused.finish({ status: 404, error: "No node has the requested model", refusal: "unknown_model" });
    // Without a model that can be read it goes to any node.
    const served = begin({ model, endpoint });
    served.decided(PLACED);
    served.attempted(attemptAt(node));
    served.firstByte();
    served.tokens(1, 5);
    served.finish({ status: 200, error: null });
  };
  ask("invented", "/api/blobs/sha256:0", "gone");
  const before = await scrape();
  for (let index = 0; index < 10_000; index++) ask(`model-${index}`, `/api/blobs/sha256:${index}`, `gone-${index}`);
  const after = await scrape();
  expect(seriesIn(after)).toBe(seriesIn(before));
  const endpoint = "/api/blobs/:digest";
  expect(valueIn(after, `${NAME}requests_total`, { endpoint, status: "4xx", result: "error" })).toBe(10_001);
  expect(valueIn(after, `${NAME}tokens_total`, { node: "other", model: "other", kind: "completion" })).toBe(50_005);
  expect(JSON.stringify([...after.values()])).not.toMatch(/model-\d|gone/);
});

test("with a node that is forgotten its series end, and those of models that nobody else lists", async () => {
  const { begin, known, figures, scrape } = open({ a: ["llama3", "only-a"], b: ["llama3"] });
  const serve = (node: string, model: string) => {
    const record = begin({ model });
    record.attempted(attemptAt(node));
    record.firstByte();
    record.tokens(1, 5);
    record.finish({ status: 200, error: null });
  };
  serve("a", "only-a");
  serve("a", "llama3");
  serve("b", "llama3");
  const before = await scrape();
  expect(valueIn(before, `${NAME}time_to_first_token_seconds_count`, { model: "only-a:latest" })).toBe(1);
  known.delete("a");
  figures.forget("a");
  serve("a", "llama3");
  const after = await scrape();
  expect(valueIn(after, `${NAME}time_to_first_token_seconds_count`, { model: "only-a:latest" })).toBeNull();
  expect(valueIn(after, `${NAME}time_to_first_token_seconds_count`, { model: "llama3:latest" })).toBe(3);
  const nodes = after.get(`${NAME}tokens_total`)?.series.map(({ labels }) => labels.node);
  expect(new Set(nodes)).toEqual(new Set(["b", "other"]));
  expect(valueIn(after, `${NAME}attempts_total`, { node: "a" })).toBeNull();
});

test("nodes that list more models than have series get no more of them, and room again when the lists shrink", async () => {
  const models = Array.from({ length: MOST_MODELS + 5 }, (_, index) => `m${index}`);
  const { begin, list, scrape } = open({ a: models });
  const serve = (model: string) => {
    const record = begin({ model });
    record.attempted(attemptAt("a"));
    record.firstByte();
    record.finish({ status: 200, error: null });
  };
  for (const model of models) serve(model);
  const full = await scrape();
  expect(valueIn(full, `${NAME}time_to_first_token_seconds_count`, { model: "other" })).toBe(5);
  list("a", models.slice(5));
  await scrape();
  serve(`m${MOST_MODELS + 4}`);
  const later = await scrape();
  expect(valueIn(later, `${NAME}time_to_first_token_seconds_count`, { model: `m${MOST_MODELS + 4}:latest` })).toBe(1);
  expect(valueIn(later, `${NAME}time_to_first_token_seconds_count`, { model: "m0:latest" })).toBeNull();
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, -5, 1e300])(
  "a node that claims %p tokens is not believed",
  async (claimed) => {
    const { begin, scrape } = open();
    const record = begin();
    record.attempted(attemptAt("a"));
    record.firstByte();
    record.tokens(claimed, claimed);
    record.finish({ status: 200, error: null });
    expect(valueIn(await scrape(), `${NAME}tokens_total`)).toBeNull();
  },
);
