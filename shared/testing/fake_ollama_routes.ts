// The route table of the stand-in Ollama and what holds on every route: CORS, host check, 404, 405, redirects, errors.
import { messages } from "./fake_ollama_anthropic.ts";
import { type Deps, jsonHeaders } from "./fake_ollama_checks.ts";
import { embed, embeddings, v1Embeddings } from "./fake_ollama_embed.ts";
import { beforeFirstByte, refusesBeforeRunning } from "./fake_ollama_engine.ts";
import { type FakeFault, faultText } from "./fake_ollama_faults.ts";
import { type Exchange, ExchangeOver, headerOf } from "./fake_ollama_http.ts";
import { goJson, Refusal } from "./fake_ollama_json.ts";
import * as listing from "./fake_ollama_listing.ts";
import * as native from "./fake_ollama_native.ts";
import * as openai from "./fake_ollama_openai.ts";
import * as registry from "./fake_ollama_registry.ts";
import { responses } from "./fake_ollama_responses.ts";
import { Pause } from "./fake_ollama_runner.ts";

type Handler = (exchange: Exchange, deps: Deps, parameter: string) => Promise<void>;
type Method = "HEAD" | "GET" | "POST" | "DELETE";

/** Error bodies of the three families of routes. */
type Family = "native" | "openai" | "anthropic";

interface Route {
  /** A last segment `:name` matches any one segment. */
  path: string;
  handlers: Partial<Record<Method, Handler>>;
  /** Inference routes take their faults themselves, once they know model and stream. */
  inference?: boolean;
}

const text = (body: string, type = "text/plain; charset=utf-8"): Handler => {
  return (exchange) => exchange.send(200, { "Content-Type": type }, body);
};
const json = (body: (deps: Deps) => object): Handler => {
  return (exchange, deps) => exchange.send(200, jsonHeaders, goJson(body(deps)));
};
const both = (handler: Handler) => ({ HEAD: handler, GET: handler });

const routes: Route[] = [
  { path: "/", handlers: both(text("Ollama is running")) },
  { path: "/api/version", handlers: both(json(({ engine }) => ({ version: engine.settings.version }))) },
  { path: "/api/status", handlers: { GET: json(() => ({ cloud: { disabled: true, source: "env" } })) } },
  { path: "/api/tags", handlers: both(listing.tags) },
  { path: "/api/ps", handlers: { GET: listing.ps } },
  { path: "/api/show", handlers: { POST: listing.show } },
  { path: "/api/generate", handlers: { POST: native.generate }, inference: true },
  { path: "/api/chat", handlers: { POST: native.chat }, inference: true },
  { path: "/api/embed", handlers: { POST: embed }, inference: true },
  { path: "/api/embeddings", handlers: { POST: embeddings }, inference: true },
  { path: "/api/pull", handlers: { POST: registry.pull } },
  { path: "/api/push", handlers: { POST: registry.push } },
  { path: "/api/create", handlers: { POST: registry.create } },
  { path: "/api/copy", handlers: { POST: registry.copy } },
  { path: "/api/delete", handlers: { DELETE: registry.remove } },
  { path: "/api/blobs/:digest", handlers: { HEAD: registry.headBlob, POST: registry.putBlob } },
  { path: "/api/me", handlers: { POST: registry.me } },
  { path: "/api/signout", handlers: { POST: registry.signout } },
  { path: "/api/user/keys/:encodedKey", handlers: { DELETE: registry.signout } },
  { path: "/api/experimental/web_search", handlers: { POST: registry.noCloud("web search") } },
  { path: "/api/experimental/web_fetch", handlers: { POST: registry.noCloud("web fetch") } },
  { path: "/api/experimental/model-recommendations", handlers: { GET: json(() => ({ recommendations: [] })) } },
  { path: "/v1/chat/completions", handlers: { POST: openai.chatCompletions }, inference: true },
  { path: "/v1/completions", handlers: { POST: openai.completions }, inference: true },
  { path: "/v1/embeddings", handlers: { POST: v1Embeddings }, inference: true },
  { path: "/v1/models", handlers: { GET: listing.v1Models } },
  { path: "/v1/models/:model", handlers: { GET: listing.v1Model } },
  { path: "/v1/responses", handlers: { POST: responses }, inference: true },
  { path: "/v1/messages", handlers: { POST: messages }, inference: true },
  { path: "/v1/audio/transcriptions", handlers: { POST: openai.transcriptions }, inference: true },
];

/** Answers one request. Never rejects: what goes wrong becomes an answer or the end of the connection. */
export async function answer(exchange: Exchange, deps: Deps, loopback: boolean): Promise<void> {
  const { method, path } = exchange.request;
  try {
    if (await answeredByGuards(exchange, loopback)) return;
    const found = findRoute(path);
    if (found === undefined) return await answerUnknown(exchange);
    const handler = found.route.handlers[method as Method];
    if (handler === undefined) return await refuseMethod(exchange, found.route);
    if (found.route.inference !== true) {
      const fault = deps.engine.faults.take({ path, inference: false });
      if (fault !== undefined) await applyToPlainRoute(exchange, fault);
    }
    await handler(exchange, deps, found.parameter);
  } catch (error) {
    await answerFailure(exchange, error);
  }
}

async function answerFailure(exchange: Exchange, error: unknown): Promise<void> {
  try {
    if (error instanceof Refusal) await sendRefusal(exchange, error);
    else if (!(error instanceof ExchangeOver)) {
      // A mistake in the stand-in itself must show in the test's output, not only as Go's empty 500.
      console.error("fake_ollama:", error);
      if (!exchange.started) await exchange.send(500, {}, "");
    }
  } catch (second) {
    if (!(second instanceof ExchangeOver)) throw second;
  }
}

/** Faults given for a path that runs no model, such as a hanging /api/tags. */
async function applyToPlainRoute(exchange: Exchange, fault: FakeFault): Promise<void> {
  await beforeFirstByte(exchange, fault, new Pause(exchange.gone));
  if (fault.kind === "hangBeforeHeaders") await exchange.hang();
  if (refusesBeforeRunning(fault)) {
    throw new Refusal(fault.kind === "status" ? fault.status : 500, faultText(fault, ""));
  }
}

async function sendRefusal(exchange: Exchange, refusal: Refusal): Promise<void> {
  const { path } = exchange.request;
  const family: Family = path === "/v1/messages" ? "anthropic" : path.startsWith("/v1/") ? "openai" : "native";
  const body = goJson(errorBody(family, refusal.status, refusal.message));
  const rewritten = family !== "native" && refusal.stage !== "validation";
  const bare = rewritten || refusal.stage === "stream";
  const headers = bare ? { "Content-Type": "application/json" } : jsonHeaders;
  await exchange.send(refusal.status, headers, rewritten ? `${body}\n` : body);
}

function errorBody(family: Family, status: number, message: string): object {
  switch (family) {
    case "native":
      return { error: message };
    case "openai": {
      const type = status === 400 ? "invalid_request_error" : status === 404 ? "not_found_error" : "api_error";
      return { error: { message, type, param: null, code: null } };
    }
    case "anthropic":
      return {
        type: "error",
        error: { type: anthropicTypes[status] ?? "api_error", message },
        request_id: "req_0123456789abcdef01234567",
      };
  }
}

const anthropicTypes: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  429: "rate_limit_error",
  503: "overloaded_error",
};

function findRoute(path: string): { route: Route; parameter: string } | undefined {
  for (const route of routes) {
    const colon = route.path.indexOf(":");
    if (colon < 0 && route.path === path) return { route, parameter: "" };
    if (colon < 0 || !path.startsWith(route.path.slice(0, colon))) continue;
    const parameter = decoded(path.slice(colon));
    if (parameter !== "" && !parameter.includes("/")) return { route, parameter };
  }
  return undefined;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

async function refuseMethod(exchange: Exchange, route: Route): Promise<void> {
  const order: Method[] = ["HEAD", "GET", "POST", "DELETE"];
  const allow = order.filter((method) => route.handlers[method] !== undefined).join(", ");
  await exchange.send(405, { Allow: allow, "Content-Type": "text/plain" }, "405 method not allowed");
}

async function answerUnknown(exchange: Exchange): Promise<void> {
  const { method, path, target } = exchange.request;
  const trimmed = path.replace(/\/$/, "");
  if (trimmed !== path && findRoute(trimmed)?.route.handlers[method as Method] !== undefined) {
    const location = trimmed + target.slice(path.length);
    const page = method === "GET" ? `<a href="${location}">Moved Permanently</a>.\n\n` : "";
    const headers = { Location: location, ...(page === "" ? {} : { "Content-Type": "text/html; charset=utf-8" }) };
    await exchange.send(method === "GET" ? 301 : 307, headers, page);
    return;
  }
  await exchange.send(404, { "Content-Type": "text/plain" }, "404 page not found");
}

/** CORS first, then the host check; both before routing, so also for unknown paths. */
async function answeredByGuards(exchange: Exchange, loopback: boolean): Promise<boolean> {
  const { request } = exchange;
  const host = headerOf(request, "host") ?? "";
  const origin = headerOf(request, "origin");
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    if (!allowedOrigin(origin)) {
      await exchange.send(403, {}, "");
      return true;
    }
    exchange.extraHeaders["Access-Control-Allow-Origin"] = origin;
    exchange.extraHeaders.Vary = "Origin";
    if (request.method === "OPTIONS") {
      await exchange.send(204, preflightHeaders, "");
      return true;
    }
  }
  if (loopback && !allowedHost(host)) {
    await exchange.send(403, {}, "");
    return true;
  }
  return false;
}

const preflightHeaders = {
  "Access-Control-Allow-Headers":
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,OpenAI-Beta,x-stainless-arch,x-stainless-async,x-stainless-custom-poll-interval,x-stainless-helper-method,x-stainless-lang,x-stainless-os,x-stainless-package-version,x-stainless-poll-helper,x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout",
  "Access-Control-Allow-Methods": "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS",
  "Access-Control-Max-Age": "43200",
};

function allowedOrigin(origin: string): boolean {
  if (/^https?:\/\/(localhost|127\.0\.0\.1|0\.0\.0\.0)(:\d+)?$/.test(origin)) return true;
  return /^(app|file|tauri|vscode-webview|vscode-file):\/\//.test(origin);
}

/** Names and addresses a loopback-bound Ollama answers to: local names, and loopback, private or unspecified IPs. */
function allowedHost(host: string): boolean {
  const name = host
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "")
    .toLowerCase();
  if (name === "" || name === "localhost" || /\.(localhost|local|internal)$/.test(name)) return true;
  if (name.includes(":")) return name === "::1" || name === "::" || /^f[cd]/.test(name);
  return /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|0\.0\.0\.0$)[\d.]*$/.test(name);
}
