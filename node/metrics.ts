/** The node's figures for Prometheus: what is counted of requests and heartbeats, and how it is at the scrape. */
import type { Clock } from "../shared/clock.ts";
import { createMetrics, REQUEST_SECONDS } from "../shared/metrics.ts";
import type { Gpu } from "../shared/protocol.ts";
import type { HeartbeatOutcome } from "./hub_client.ts";
import type { OllamaState } from "./ollama_state.ts";
import type { Slots } from "./slots.ts";
import type { StoryEnd } from "./story.ts";

export interface NodeMetricsDeps {
  readonly clock: Clock;
  readonly slots: Pick<Slots, "size" | "running" | "waiting" | "silent">;
  readonly ollama: () => Pick<OllamaState, "ok" | "tags" | "ps">;
  /** As the last heartbeat said. */
  readonly gpus: () => readonly Gpu[];
}

export type NodeMetrics = ReturnType<typeof createNodeMetrics>;

/** Begins counting. Names begin with `agent_`: what begins with `node_` is how the hub sees a node. */
export function createNodeMetrics({ clock, slots, ollama, gpus }: NodeMetricsDeps) {
  const metrics = createMetrics({ clock, role: "node" });
  const requests = metrics.counter(
    "agent_requests_total",
    "Requests that ended, by kind (execute: runs a model; ollama: passed on), class of the status, and outcome.",
    ["kind", "status", "outcome"],
  );
  const duration = metrics.histogram(
    "agent_request_duration_seconds",
    "From the arrival of a request to the last byte of its answer, by kind.",
    ["kind"],
    REQUEST_SECONDS,
  );
  const heartbeats = metrics.counter(
    "agent_heartbeats_total",
    "Heartbeats sent, by what came of them: accepted, rejected, unreachable.",
    ["result"],
  );

  // There from the start: of a series that begins with 1, Prometheus sees no increase.
  for (const result of ["accepted", "rejected", "unreachable"]) heartbeats.inc({ result }, 0);

  metrics.gauge("agent_slots", "Requests this node lets at its Ollama at once.", () => slots.size);
  metrics.gauge("agent_slots_used", "Requests at Ollama now.", () => slots.running);
  metrics.gauge("agent_slots_waiting", "Requests that wait for a slot of this node.", () => slots.waiting);
  metrics.gauge(
    "agent_ollama_queue_length",
    "Requests at Ollama without a byte of their answer: in its queue, at a load, or at the prompt.",
    () => slots.silent,
  );
  metrics.gauge("agent_ollama_up", "Whether Ollama answered the last time, 1 or 0.", () => (ollama().ok ? 1 : 0));
  metrics.gauge("agent_ollama_models", "Models on Ollama's disk.", () => ollama().tags.length);
  metrics.gauge("agent_ollama_models_loaded", "Models in Ollama's memory.", () => ollama().ps.length);

  const ofGpus = (name: string, help: string, read: (gpu: Gpu) => number | null | undefined) =>
    metrics.gauges(name, `${help} As of the last heartbeat.`, ["gpu", "name"], function* () {
      for (const [index, gpu] of gpus().entries()) {
        const value = read(gpu);
        if (value != null) yield { labels: { gpu: String(index), name: gpu.name }, value };
      }
    });
  ofGpus("agent_gpu_utilization_ratio", "How busy a graphics processor is, 0 to 1.", (gpu) => gpu.utilization);
  ofGpus("agent_gpu_memory_used_bytes", "Memory of a graphics processor in use.", (gpu) => gpu.memory_used);
  ofGpus("agent_gpu_memory_bytes", "Memory of a graphics processor.", (gpu) => gpu.memory_total);

  return {
    /** A request has ended. */
    finished({ title: kind, outcome, status, ms }: StoryEnd): void {
      requests.inc({ kind, status: `${Math.floor(status / 100)}xx`, outcome });
      duration.of({ kind }).observe(ms / 1000);
    },
    /** A heartbeat was sent, and this came of it. */
    heartbeatSent(result: HeartbeatOutcome["kind"]): void {
      heartbeats.inc({ result });
    },
    definitions: metrics.definitions,
    /** Everything in Prometheus' text format. */
    text: metrics.text,
    stop: metrics.stop,
  };
}
