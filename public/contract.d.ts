/** What the hub sends the dashboard, as far as the pages read it; `/docs` describes the whole. */

export interface Route {
  family: "IPv4" | "IPv6";
  address: string;
  reachable: boolean | null;
  proven?: boolean;
  rtt_ms: number | null;
  in_use?: boolean;
}

export interface ModelDetails {
  name: string;
  size: number | null;
  digest: string | null;
  parameter_size: string | null;
  quantization: string | null;
  loaded: boolean;
  size_vram: number | null;
  expires_at: string | null;
}

export interface Gpu {
  name?: string;
  utilization?: number | null;
  memory_used?: number | null;
  memory_total?: number | null;
  [field: string]: unknown;
}

export interface Node {
  node_id: string;
  ipv4: string | null;
  ipv6: string | null;
  port: number;
  models: string[];
  metadata: Record<string, unknown>;
  load: { cpu: number; memory: number } | null;
  last_seen: string;
  status: "online" | "offline" | "degraded" | "draining" | "pending";
  active_jobs: number;
  failure_count: number;
  reason: string | null;
  liveness: "fresh" | "stale" | "expired" | "gone";
  trust: "admitted" | "ejected" | "trial";
  trust_until_ms: number | null;
  intent: "serving" | "draining" | "left";
  /** When somebody else spoke in its name within a day, and was refused. */
  impostor: { at: string; detail: string } | null;
  slots: number;
  slots_reported: number;
  loaded: string[];
  digest_conflicts: { model: string; digests: { digest: string; nodes: string[]; node_count: number }[] }[];
  gpu: Gpu[];
  routes: Route[];
  ollama: { ok: boolean; version: string | null };
  agent_version: string | null;
  capabilities: string[];
  model_details: ModelDetails[];
}

export interface Hello {
  boot_id: string;
  version: string;
  started_at: string;
  ttl_s: number;
  stale_s: number;
  step_s: number;
  access: { mode: "open" | "closed"; nodes: "open" | "closed"; advice: string | null };
}

export interface Queue {
  waiting: number;
  size: number;
  timeout_s: number;
  models: { model: string | null; waiting: number; oldest_wait_ms: number; expected_wait_ms: number | null }[];
  bodies: { held: number; limit: number };
}

export interface Running {
  request_id: string;
  timestamp: string;
  request_ip: string;
  endpoint: string;
  model: string | null;
  stream: boolean;
  node_id: string | null;
  ip_version: "IPv4" | "IPv6" | null;
  elapsed_ms: number;
  first_byte_ms: number | null;
  queue_position: number | null;
  waiting: boolean;
  bytes: number;
  pieces: number;
}

export interface RunningList {
  total: number;
  requests: Running[];
}

export interface Attempt {
  node_id: string;
  ip_version: "IPv4" | "IPv6" | null;
  node_url: string | null;
  outcome: string;
  error: string | null;
  duration_ms: number;
}

/** A finished request without what the client sent. */
export interface Brief {
  timestamp: string;
  request_ip: string;
  endpoint: string;
  method: string;
  node_id: string | null;
  ip_version: "IPv4" | "IPv6" | null;
  node_url: string | null;
  status_code: number;
  success: boolean;
  error: string | null;
  duration_ms: number;
  request_id: string;
  model: string | null;
  stream: boolean;
  attempts: Attempt[];
  queued_ms: number;
  first_byte_ms: number | null;
  bytes: number;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  key_id: string | null;
  key_name: string | null;
}

export interface Whole extends Brief {
  request_json: unknown;
  decisions: (Explanation & { at_ms: number })[];
}

export interface Point {
  requests: number;
  errors: number;
  tokens: number;
  first_token_p50_ms: number | null;
  first_token_p95_ms: number | null;
  active: number;
  waiting: number | null;
}

export interface Sample {
  at: string;
  fleet: Point;
  nodes: Record<string, Point>;
}

export interface Stats {
  step_s: number;
  until: string;
  points: number;
  series: { [Name in keyof Point]: Point[Name][] };
}

export interface Happening {
  at: string;
  event: string;
  node_id: string;
  detail: string;
}

export interface ExplainedNode {
  node_id: string;
  rank: number | null;
  eligible: boolean;
  reason: string | null;
  /** Why it did not compete, in words to be read after its name; null where it did. */
  why: string | null;
  passes_soon: boolean;
  values: {
    heartbeat: string;
    active_jobs: number;
    slots: number;
    in_memory: boolean;
    loading: boolean;
    /** Milliseconds; null while none of the model was measured. */
    first_token_ms: number | null;
    cpu: number;
    failures: number;
  };
  decided_by: string | null;
  held_back: string | null;
  routes: Route[];
}

export interface Explanation {
  model: string | null;
  endpoint: string;
  at: string;
  outcome: "node" | "wait" | "none";
  node_id: string | null;
  summary: string;
  policy: string;
  order: { name: string; meaning: string }[];
  nodes: ExplainedNode[];
  not_shown?: number;
}
