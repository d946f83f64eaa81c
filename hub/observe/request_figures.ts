/** What is counted of requests for Prometheus, once for each, when its record ends. */
import { type Metrics, OTHER, REQUEST_SECONDS } from "../../shared/metrics.ts";
import { type ModelKey, modelKey, shortName } from "../../shared/model_name.ts";
import { findOllamaRoute } from "../../shared/ollama_routes.ts";
import { CLIENT_CLOSED_REQUEST } from "../../shared/protocol.ts";
import type { Distribution, Sample } from "../../shared/series.ts";
import type { Refusal } from "../job.ts";
import { RULES } from "../policy/failover.ts";
import type { Registry } from "../registry.ts";
import type { AttemptRecord, RequestRecord } from "../request_log.ts";
import type { RunningRequest } from "./open_record.ts";

/** Models that have series of their own; the next ones share the label "other". */
export const MOST_MODELS = 1_000;
/** Ways of writing them that are remembered. */
const MOST_SPELLINGS = 2_000;

// Upper bounds in seconds.
const FIRST_TOKEN = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160];
const PER_TOKEN = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5];
const WAIT = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160];

const REFUSALS: Readonly<Record<Refusal["kind"] | typeof OTHER, true>> = {
  unknown_model: true,
  no_node: true,
  pin_impossible: true,
  all_failed: true,
  queue_full: true,
  queue_share: true,
  queue_timeout: true,
  stopping: true,
  exhausted: true,
  not_passed: true,
  other: true,
};

/** What came of requests, in the order of their counts. */
const RESULTS = ["ok", "error", "left"] as const;

/** What is counted of one route. */
interface OfRoute {
  /** By class of the status and result. */
  readonly requests: Float64Array;
  readonly duration: Distribution;
}

/** What is counted of one model that nodes list; `key` is null for all others together. */
interface OfModel {
  readonly key: ModelKey | null;
  readonly label: string;
  readonly firstToken: Distribution;
  readonly perToken: Distribution;
}

interface Tokens {
  prompt: number;
  completion: number;
}

/** What is counted of one node, forgotten together with it. */
interface OfNode {
  readonly attempts: Map<string, number>;
  readonly tokens: Map<OfModel, Tokens>;
}

/**
 * Defines the figures in `metrics`; labels are only names that `registry` knows. Every request pays for this, so what a
 * usual one needs is found by one look each, without making labels anew: measured, that halves the time.
 */
export function createRequestFigures(metrics: Metrics, registry: Pick<Registry, "all" | "get">) {
  const routes = new Map<string, OfRoute>();
  const nodes = new Map<string, OfNode>();
  const models = new Map<ModelKey, OfModel>();
  /** The same by their names as clients write them. */
  const spellings = new Map<string, OfModel>();
  let nodesLeft = false;

  metrics.counted(
    "requests_total",
    "Requests that ended, by route, class of the status, and result: ok, error (also after the status was sent) or left (the client).",
    ["endpoint", "status", "result"],
    requests,
  );
  const refusals = metrics.counter("refusals_total", "Requests the hub itself answered instead of a node, by reason.", [
    "reason",
  ]);
  const failovers = metrics.counter("failovers_total", "Attempts at a further node, by what came of the one before.", [
    "reason",
  ]);
  // There from the start: of a series that begins with 1, Prometheus sees no increase.
  for (const [reason, { failsOver }] of Object.entries(RULES)) if (failsOver) failovers.inc({ reason }, 0);
  for (const reason of Object.keys(REFUSALS)) refusals.inc({ reason }, 0);
  const duration = metrics.histogram(
    "request_duration_seconds",
    "From the arrival of a request to its last byte, by route.",
    ["endpoint"],
    REQUEST_SECONDS,
  );
  const firstToken = metrics.histogram(
    "time_to_first_token_seconds",
    "From the arrival of a request to the first byte of its streamed answer, by model, counted when it ends.",
    ["model"],
    FIRST_TOKEN,
  );
  const perToken = metrics.histogram(
    "time_per_output_token_seconds",
    "Of streamed answers that ended well: time after the first byte by tokens after the first, as fast as the client read.",
    ["model"],
    PER_TOKEN,
  );
  const wait = metrics
    .histogram("queue_wait_seconds", "How long those that had to wait for a slot did.", [], WAIT)
    .of({});
  metrics.counted("attempts_total", "Attempts at nodes, by node and what came of them.", ["node", "outcome"], attempts);
  metrics.counted(
    "tokens_total",
    "Tokens as the nodes' Ollamas counted them, by kind: prompt or completion.",
    ["node", "model", "kind"],
    tokens,
  );

  function* requests(): Generator<Sample<"endpoint" | "status" | "result">> {
    for (const [endpoint, { requests }] of [...routes]) {
      for (const [index, value] of requests.entries()) {
        if (value === 0) continue;
        const status = `${Math.floor(index / RESULTS.length)}xx`;
        yield { labels: { endpoint, status, result: RESULTS[index % RESULTS.length] ?? OTHER }, value };
      }
    }
  }

  function* attempts(): Generator<Sample<"node" | "outcome">> {
    for (const [node, { attempts }] of [...nodes]) {
      for (const [outcome, value] of [...attempts]) yield { labels: { node, outcome }, value };
    }
  }

  function* tokens(): Generator<Sample<"node" | "model" | "kind">> {
    for (const [node, { tokens }] of [...nodes]) {
      for (const [{ label: model }, { prompt, completion }] of [...tokens]) {
        yield { labels: { node, model, kind: "prompt" }, value: prompt };
        yield { labels: { node, model, kind: "completion" }, value: completion };
      }
    }
  }

  /** The figures of the route at `path`, as the router has it: `/api/blobs/:digest`, whatever the digest. */
  function ofRoute(path: string): OfRoute {
    const endpoint = path === "/jobs" ? path : (findOllamaRoute(path)?.path ?? OTHER);
    const known = routes.get(endpoint);
    if (known) return known;
    const made = { requests: new Float64Array(10 * RESULTS.length), duration: duration.of({ endpoint }) };
    routes.set(endpoint, made);
    return made;
  }

  function ofNode(id: string): OfNode {
    // One that was forgotten meanwhile gets no series again.
    const label = registry.get(id) ? id : OTHER;
    const known = nodes.get(label) ?? { attempts: new Map(), tokens: new Map() };
    nodes.set(label, known);
    return known;
  }

  const begin = (key: ModelKey | null, label: string): OfModel => {
    return { key, label, firstToken: firstToken.of({ model: label }), perToken: perToken.of({ model: label }) };
  };
  let others: OfModel | null = null;

  /** The figures of `model`, which `nodeId` was asked for: its own if that node lists it, however many clients invent. */
  function ofModel(model: string | null, nodeId: string): OfModel {
    const key = model === null ? null : modelKey(model);
    const known = key === null ? undefined : models.get(key);
    const listed = known ?? (key !== null && models.size < MOST_MODELS && registry.get(nodeId)?.models.has(key));
    if (key === null || model === null || !listed) {
      others ??= begin(null, OTHER);
      return others;
    }
    const found = known ?? begin(key, shortName(key));
    models.set(key, found);
    if (spellings.size >= MOST_SPELLINGS) spellings.clear();
    spellings.set(model, found);
    return found;
  }

  /** Ends the series of models that no node lists any more. */
  function dropUnlisted(): void {
    const unlisted = new Set(models.keys());
    for (const node of registry.all()) {
      for (const model of node.models) unlisted.delete(model);
      if (unlisted.size === 0) return;
    }
    spellings.clear();
    for (const key of unlisted) {
      const found = models.get(key);
      if (!found) continue;
      models.delete(key);
      firstToken.remove({ model: found.label });
      perToken.remove({ model: found.label });
      for (const { tokens } of nodes.values()) tokens.delete(found);
    }
  }

  function countAttempts(all: readonly AttemptRecord[], placed: boolean): void {
    let before: string | null = null;
    for (const { node_id, outcome } of all) {
      const { attempts } = nodes.get(node_id) ?? ofNode(node_id);
      attempts.set(outcome, (attempts.get(outcome) ?? 0) + 1);
      // What manages models goes to several nodes on purpose.
      if (placed && before !== null && before !== "ok") failovers.inc({ reason: before });
      before = outcome;
    }
  }

  function countAnswer(record: RequestRecord, { generates }: RunningRequest): void {
    const { node_id, first_byte_ms, prompt_tokens, completion_tokens } = record;
    if (node_id === null) return;
    const streamed = record.stream && generates && first_byte_ms !== null && record.status_code < 300;
    const counted = prompt_tokens !== null || completion_tokens !== null;
    if (!streamed && !counted) return;
    const model = spellings.get(record.model ?? "") ?? ofModel(record.model, node_id);
    const completion = completion_tokens ?? 0;
    const prompt = prompt_tokens ?? 0;
    if (streamed) {
      model.firstToken.observe(first_byte_ms / 1000);
      const ms = Math.max(0, record.duration_ms - first_byte_ms);
      if (record.success && completion >= 2) model.perToken.observe(ms / 1000 / (completion - 1));
    }
    if (!counted) return;
    const { tokens } = nodes.get(node_id) ?? ofNode(node_id);
    const sum = tokens.get(model);
    if (!sum) return void tokens.set(model, { prompt, completion });
    sum.prompt += prompt;
    sum.completion += completion;
  }

  return {
    /** A request has ended. */
    finished(record: RequestRecord, request: RunningRequest): void {
      const { requests, duration } = routes.get(record.endpoint) ?? ofRoute(record.endpoint);
      const left = record.status_code === CLIENT_CLOSED_REQUEST;
      const result = record.success ? 0 : left ? 2 : 1;
      const index = Math.floor(record.status_code / 100) * RESULTS.length + result;
      requests[index] = (requests[index] ?? 0) + 1;
      duration.observe(record.duration_ms / 1000);
      if (request.queuePosition !== null) wait.observe(record.queued_ms / 1000);
      if (request.refusal !== null) refusals.inc({ reason: request.refusal });
      // The hub's own words without a name for them, such as that management is switched off.
      else if (result === 1 && record.attempts.length === 0) refusals.inc({ reason: OTHER });
      countAttempts(record.attempts, request.decisions.length > 0);
      countAnswer(record, request);
    },

    /** The node is known no more; its series end. */
    forget(nodeId: string): void {
      nodes.delete(nodeId);
      nodesLeft = true;
    },

    /** To be called before a scrape: models that left with their nodes are dropped, once for all that left. */
    tidy(): void {
      if (nodesLeft || models.size >= MOST_MODELS) dropUnlisted();
      nodesLeft = false;
    },
  };
}
