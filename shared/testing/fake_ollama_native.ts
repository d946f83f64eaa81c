// Ollama's own generating routes: /api/generate and /api/chat, with their load and unload forms.
import {
  checkImages,
  checkModelFor,
  checkThink,
  type Deps,
  decodeNative,
  jobOf,
  jsonHeaders,
  messagesOf,
  ndjsonHeaders,
  requireModel,
  toolsOf,
} from "./fake_ollama_checks.ts";
import type { Engine } from "./fake_ollama_engine.ts";
import type { Exchange } from "./fake_ollama_http.ts";
import { goJson, omitEmpty, Refusal } from "./fake_ollama_json.ts";
import { fullName, type StoredModel } from "./fake_ollama_models.ts";
import { type Piece, wantedTool } from "./fake_ollama_pieces.ts";
import type { Answer, Voice } from "./fake_ollama_speech.ts";
import { parseKeepAlive, utcStamp } from "./fake_ollama_time.ts";
import { chatPrompt, contextTokens } from "./fake_ollama_tokens.ts";

const inferenceFields = {
  model: "string",
  stream: "bool",
  format: "any",
  keep_alive: "any",
  options: "object",
  think: "any",
  truncate: "bool",
  shift: "bool",
  logprobs: "bool",
  top_logprobs: "int",
} as const;

/** POST /api/generate. */
export async function generate(exchange: Exchange, { engine, store }: Deps): Promise<void> {
  const arrivedAt = performance.now();
  const fields = decodeNative(exchange, "api.GenerateRequest", {
    ...inferenceFields,
    prompt: "string",
    suffix: "string",
    system: "string",
    template: "string",
    context: "ints",
    raw: "bool",
    images: "strings",
  });
  const keepAliveMs = parseKeepAlive(fields.keep_alive);
  checkImages(fields.images);
  checkThink(fields.think);
  const requested = String(fields.model ?? "");
  if (requested === "") throw new Refusal(404, "model '' not found");
  const model = requireModel(store, requested);
  if (fields.raw === true && (fields.template || fields.system || fields.context)) {
    throw new Refusal(400, "raw mode does not support template, system, or context");
  }
  checkModelFor("generate", fields, model, requested);
  if (fields.suffix && !model.capabilities.includes("insert")) {
    throw new Refusal(400, `${fullName(model.id)} does not support insert`);
  }
  const answer = (response: string) => ({ response });
  const { prompt = "", system = "", suffix = "" } = fields as { prompt?: string; system?: string; suffix?: string };
  if (prompt === "") return loadOrUnload(exchange, engine, model, requested, keepAliveMs, answer(""));
  const full = [system, prompt, suffix].filter((part) => part !== "").join("\n");
  const job = jobOf(fields, { model, requested, prompt: full, keepAliveMs, arrivedAt });
  const voice = nativeVoice(requested, (piece) => ({
    response: piece.kind === "text" ? piece.text : "",
    thinking: omitEmpty(piece.kind === "thinking" ? piece.text : ""),
  }));
  const withContext = (answer: Answer) =>
    fields.raw === true ? {} : { context: contextTokens(full, answer.promptTokens + answer.evalTokens) };
  voice.closing = (answer) => [
    line({ model: requested, created_at: utcStamp(), response: "", done: true, ...endOf(answer, withContext(answer)) }),
  ];
  voice.whole = (answer) =>
    goJson({
      model: requested,
      created_at: utcStamp(),
      response: answer.text,
      thinking: omitEmpty(answer.thinking),
      done: true,
      ...endOf(answer, withContext(answer)),
    });
  await engine.generate(exchange, job, voice);
}

/** POST /api/chat. */
export async function chat(exchange: Exchange, { engine, store }: Deps): Promise<void> {
  const arrivedAt = performance.now();
  const fields = decodeNative(exchange, "api.ChatRequest", { ...inferenceFields, messages: "array", tools: "array" });
  const keepAliveMs = parseKeepAlive(fields.keep_alive);
  checkThink(fields.think);
  const messages = messagesOf(fields.messages);
  const requested = String(fields.model ?? "");
  if (requested === "") throw new Refusal(400, "model is required");
  const model = requireModel(store, requested);
  checkModelFor("chat", fields, model, requested);
  const tools = toolsOf(fields.tools);
  if (tools.length > 0 && !model.capabilities.includes("tools")) {
    throw new Refusal(400, `${fullName(model.id)} does not support tools`);
  }
  const empty = { message: { role: "assistant", content: "" } };
  if (messages.length === 0) return loadOrUnload(exchange, engine, model, requested, keepAliveMs, empty);
  const lastUser = messages.findLast((message) => message.role === "user")?.content ?? "";
  const job = jobOf(fields, { model, requested, prompt: chatPrompt(messages), keepAliveMs, arrivedAt });
  job.tool = wantedTool(lastUser, tools);
  const voice = nativeVoice(requested, (piece) => ({ message: chatMessage(piece) }));
  voice.closing = (answer) => [
    line({ model: requested, created_at: utcStamp(), ...empty, done: true, ...endOf(answer, {}) }),
  ];
  voice.whole = (answer) =>
    goJson({
      model: requested,
      created_at: utcStamp(),
      message: {
        role: "assistant",
        content: answer.text,
        thinking: omitEmpty(answer.thinking),
        tool_calls: omitEmpty(answer.tools.map(toolCallEntry)),
      },
      done: true,
      ...endOf(answer, {}),
    });
  await engine.generate(exchange, job, voice);
}

async function loadOrUnload(
  exchange: Exchange,
  engine: Engine,
  model: StoredModel,
  requested: string,
  keepAliveMs: number | undefined,
  content: object,
): Promise<void> {
  if (keepAliveMs === 0) engine.runners.unload(model);
  else await engine.loadOnly(exchange, model, requested, keepAliveMs);
  const done_reason = keepAliveMs === 0 ? "unload" : "load";
  const body = { model: requested, created_at: utcStamp(), ...content, done: true, done_reason };
  return exchange.send(200, jsonHeaders, goJson(body));
}

function line(value: object): string {
  return `${goJson(value)}\n`;
}

/** A voice that words pieces as ndjson lines; the route adds closing and whole. */
function nativeVoice(requested: string, content: (piece: Piece) => object): Voice {
  return {
    streamHeaders: ndjsonHeaders,
    wholeHeaders: jsonHeaders,
    messageEnd: "\n",
    piece: (piece) => line({ model: requested, created_at: utcStamp(), ...content(piece), done: false }),
    lateError: (message) => line({ error: message }),
    closing: () => [],
    whole: () => "",
  };
}

function chatMessage(piece: Piece): object {
  return {
    role: "assistant",
    content: piece.kind === "text" ? piece.text : "",
    thinking: omitEmpty(piece.kind === "thinking" ? piece.text : ""),
    tool_calls: piece.kind === "tool" ? [toolCallEntry(piece.tool, 0)] : undefined,
  };
}

function toolCallEntry(tool: { id: string; name: string; arguments: unknown }, index: number): object {
  return { id: tool.id, function: { index, name: tool.name, arguments: tool.arguments } };
}

/** The keys after `done` of a final line, in wire order. */
function endOf(answer: Answer, extra: object): object {
  return {
    done_reason: answer.doneReason,
    ...extra,
    total_duration: omitEmpty(answer.totalNs),
    load_duration: omitEmpty(answer.loadNs),
    prompt_eval_count: omitEmpty(answer.promptTokens),
    prompt_eval_duration: omitEmpty(answer.promptNs),
    eval_count: omitEmpty(answer.evalTokens),
    eval_duration: omitEmpty(answer.evalNs),
  };
}
