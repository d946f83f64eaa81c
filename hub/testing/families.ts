/** The ways by which a client can ask the hub to run a model, for tests that must hold for all of them. */

export interface Family {
  readonly path: string;
  /** A request that is not streamed, or cannot be. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The error text in a body of its shape. */
  errorIn(json: unknown): unknown;
}

const messages = [{ role: "user", content: "the secret question" }];
const native = (json: unknown) => field(json, "error");
const wrapped = (json: unknown) => field(field(json, "error"), "message");
const anthropic = (json: unknown) =>
  field(json, "type") === "error" && String(field(json, "request_id")).startsWith("req_") ? wrapped(json) : undefined;

export const JOBS: Family = {
  path: "/jobs",
  body: { prompt: "the secret question", system: "the secret question", stream: false },
  errorIn: (json) => field(json, "detail"),
};

/** All but /jobs. */
export const FAMILIES: readonly Family[] = [
  { path: "/api/generate", body: { ...JOBS.body, suffix: null }, errorIn: native },
  { path: "/api/chat", body: { messages, stream: false }, errorIn: native },
  { path: "/api/embed", body: { input: ["the secret question"] }, errorIn: native },
  { path: "/api/embeddings", body: { prompt: "the secret question" }, errorIn: native },
  { path: "/api/show", body: {}, errorIn: native },
  { path: "/v1/chat/completions", body: { messages }, errorIn: wrapped },
  { path: "/v1/completions", body: { prompt: "the secret question" }, errorIn: wrapped },
  { path: "/v1/embeddings", body: { input: "the secret question" }, errorIn: wrapped },
  {
    path: "/v1/responses",
    body: { input: "the secret question", instructions: "the secret question" },
    errorIn: wrapped,
  },
  { path: "/v1/messages", body: { messages, system: "the secret question", max_tokens: 50 }, errorIn: anthropic },
];

/** Those that run a model of the usual kind, on a slot. */
export const GENERATING = FAMILIES.filter(({ path }) => !/embed|show/.test(path));

function field(json: unknown, name: string): unknown {
  return typeof json === "object" && json !== null ? (json as Record<string, unknown>)[name] : undefined;
}

/** POSTs a request for `model` to `family` at the hub `url`. */
export function askFamily(
  url: string,
  { path, body }: Family,
  { model = "llama3", headers = {}, more = {} }: AskOptions = {},
): Promise<Response> {
  return fetch(url + path, { method: "POST", headers, body: JSON.stringify({ model, ...body, ...more }) });
}

export interface AskOptions {
  readonly model?: string;
  readonly headers?: Record<string, string>;
  readonly more?: object;
}
