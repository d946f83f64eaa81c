// The OpenAI-shaped routes that generate: chat completions, completions, transcriptions.
import { type Deps, requireModel, toolsOf } from "./fake_ollama_checks.ts";
import type { Job } from "./fake_ollama_engine.ts";
import { type Exchange, headerOf } from "./fake_ollama_http.ts";
import { goJson, isObject, type JsonObject, omitEmpty, Refusal } from "./fake_ollama_json.ts";
import { fullName, sha256 } from "./fake_ollama_models.ts";
import { type Piece, type ToolCall, wantedTool } from "./fake_ollama_pieces.ts";
import { type Answer, emptyAnswer, type Voice } from "./fake_ollama_speech.ts";
import { chatPrompt, shortHash } from "./fake_ollama_tokens.ts";
import { baseJob, contentText, decodeV1, requireCompletion, v1JsonHeaders } from "./fake_ollama_v1.ts";

const sseHeaders = { "Content-Type": "text/event-stream" };

/** One event of a stream without a name. */
function data(value: object): string {
  return `data: ${goJson(value)}\n\n`;
}

/** POST /v1/chat/completions. */
export async function chatCompletions(exchange: Exchange, { engine, store }: Deps): Promise<void> {
  const arrivedAt = performance.now();
  const fields = decodeV1(exchange, "openai.ChatCompletionRequest", {
    model: "string",
    messages: "array",
    stream: "bool",
    stream_options: "object",
    max_tokens: "int",
    seed: "int",
    temperature: "float",
    top_p: "float",
    frequency_penalty: "float",
    presence_penalty: "float",
    response_format: "object",
    tools: "array",
    reasoning: "object",
    reasoning_effort: "string",
    logprobs: "bool",
    top_logprobs: "int",
    stop: "any",
  });
  const given = Array.isArray(fields.messages) ? fields.messages : [];
  if (given.length === 0) throw new Refusal(400, "[] is too short - 'messages'", "validation");
  const messages = given.map(messageOf);
  const requested = String(fields.model ?? "");
  if (requested === "") throw new Refusal(400, "model is required");
  const model = requireModel(store, requested);
  const effort = fields.reasoning_effort ?? (isObject(fields.reasoning) ? fields.reasoning.effort : undefined);
  requireCompletion(model, requested, "chat");
  if (effort !== undefined && effort !== "none" && !model.capabilities.includes("thinking")) {
    throw new Refusal(400, `${JSON.stringify(requested)} does not support thinking`);
  }
  const tools = toolsOf(fields.tools);
  if (tools.length > 0 && !model.capabilities.includes("tools")) {
    throw new Refusal(400, `${fullName(model.id)} does not support tools`);
  }
  const job: Job = {
    ...baseJob(fields, model, chatPrompt(messages), arrivedAt),
    thinking: model.capabilities.includes("thinking") && effort !== "none",
    format: formatOf(fields.response_format),
    tool: wantedTool(messages.findLast((message) => message.role === "user")?.content ?? "", tools),
  };
  await engine.generate(exchange, job, chatVoice(requested, job, includesUsage(fields)));
}

function chatVoice(requested: string, job: Job, withUsage: boolean): Voice {
  const base = {
    id: `chatcmpl-${numericId(job)}`,
    object: "chat.completion.chunk",
    created: Math.floor(Date.now() / 1000),
    model: requested,
    system_fingerprint: "fp_ollama",
  };
  const choice = (delta: object, finish_reason: string | null) => [{ index: 0, delta, finish_reason }];
  let role: { role?: string } = { role: "assistant" };
  return {
    streamHeaders: sseHeaders,
    wholeHeaders: v1JsonHeaders,
    messageEnd: "\n\n",
    piece: (piece) => {
      const chunk = data({ ...base, choices: choice({ ...role, ...deltaOf(piece) }, null) });
      role = {}; // since v0.32.6 in the first chunk only
      return chunk;
    },
    // The message of the error is lost in Ollama's converter; an empty chunk with an empty model is all that shows.
    lateError: () => data({ ...base, model: "", choices: choice({ content: "" }, null) }),
    closing: (answer) => [
      data({ ...base, choices: choice({}, finishReason(answer)) }),
      ...(withUsage ? [data({ ...base, choices: [], usage: usageOf(answer) })] : []),
      "data: [DONE]\n\n",
    ],
    whole: (answer) => {
      const message = {
        role: "assistant",
        content: answer.text,
        reasoning: omitEmpty(answer.thinking),
        tool_calls: omitEmpty(answer.tools.map(toolCall)),
      };
      const choices = [{ index: 0, message, finish_reason: finishReason(answer) }];
      return `${goJson({ ...base, object: "chat.completion", choices, usage: usageOf(answer) })}\n`;
    },
  };
}

/** POST /v1/completions. */
export async function completions(exchange: Exchange, { engine, store }: Deps): Promise<void> {
  const arrivedAt = performance.now();
  const fields = decodeV1(exchange, "openai.CompletionRequest", {
    model: "string",
    prompt: "string",
    suffix: "string",
    stream: "bool",
    stream_options: "object",
    max_tokens: "int",
    seed: "int",
    temperature: "float",
    top_p: "float",
    stop: "any",
  });
  const requested = String(fields.model ?? "");
  if (requested === "") throw new Refusal(404, "model '' not found");
  const model = requireModel(store, requested);
  requireCompletion(model, requested, "generate");
  if (fields.suffix && !model.capabilities.includes("insert")) {
    throw new Refusal(400, `${fullName(model.id)} does not support insert`);
  }
  const prompt = String(fields.prompt ?? "");
  const full = [prompt, String(fields.suffix ?? "")].filter((part) => part !== "").join("\n");
  const job: Job = { ...baseJob(fields, model, full, arrivedAt), thinking: false };
  const voice = completionVoice(requested, job, includesUsage(fields));
  if (prompt !== "") return engine.generate(exchange, job, voice);
  await engine.loadOnly(exchange, model, requested, undefined);
  const loaded: Answer = { ...emptyAnswer, doneReason: "load" };
  if (!job.stream) return exchange.send(200, v1JsonHeaders, voice.whole(loaded));
  await exchange.start(200, sseHeaders);
  for (const payload of voice.closing(loaded)) await exchange.write(payload);
  await exchange.end();
}

function completionVoice(requested: string, job: Job, withUsage: boolean): Voice {
  const base = { id: `cmpl-${numericId(job)}`, object: "text_completion", created: Math.floor(Date.now() / 1000) };
  const named = { model: requested, system_fingerprint: "fp_ollama" };
  const none = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const chunk = (text: string, finish_reason: string | null, model = named) =>
    data({ ...base, choices: [{ text, index: 0, finish_reason }], ...model, ...(withUsage ? { usage: none } : {}) });
  return {
    streamHeaders: sseHeaders,
    wholeHeaders: v1JsonHeaders,
    messageEnd: "\n\n",
    piece: (piece) => chunk(piece.kind === "text" ? piece.text : "", null),
    lateError: () => chunk("", null, { ...named, model: "" }),
    closing: (answer) => [
      chunk("", answer.doneReason),
      ...(withUsage ? [data({ ...base, choices: [], ...named, usage: usageOf(answer) })] : []),
      "data: [DONE]\n\n",
    ],
    whole: (answer) => {
      const choices = [{ text: answer.text, index: 0, finish_reason: answer.doneReason }];
      return `${goJson({ ...base, ...named, choices, usage: usageOf(answer) })}\n`;
    },
  };
}

/** POST /v1/audio/transcriptions. */
export async function transcriptions(exchange: Exchange, { engine, store }: Deps): Promise<void> {
  const arrivedAt = performance.now();
  const { body, headers } = exchange.request;
  const form = await new Response(body, { headers: { "Content-Type": headerOf({ headers }, "content-type") ?? "" } })
    .formData()
    .catch(() => new FormData());
  const file = form.get("file");
  if (!(file instanceof Blob)) throw new Refusal(400, "file is required", "validation");
  const requested = String(form.get("model") ?? "");
  if (requested === "") throw new Refusal(400, "model is required", "validation");
  const model = requireModel(store, requested);
  const prompt = `audio ${sha256(new Uint8Array(await file.arrayBuffer()))}`;
  const job: Job = { ...baseJob({}, model, prompt, arrivedAt), requested, thinking: false };
  const plain = form.get("response_format") === "text";
  await engine.generate(exchange, job, {
    streamHeaders: v1JsonHeaders,
    wholeHeaders: plain ? { "Content-Type": "text/plain; charset=utf-8" } : v1JsonHeaders,
    messageEnd: "\n",
    piece: (piece) => (piece.kind === "text" ? piece.text : ""),
    lateError: () => "",
    closing: () => [],
    whole: (answer) => (plain ? answer.text : `${goJson({ text: answer.text })}\n`),
  });
}

function messageOf(message: unknown): { role: string; content: string } {
  const { role, content } = isObject(message) ? message : {};
  return { role: String(role ?? ""), content: contentText(content) };
}

function formatOf(value: unknown): unknown {
  if (!isObject(value)) return undefined;
  if (value.type === "json_object") return "json";
  return value.type === "json_schema" && isObject(value.json_schema) ? value.json_schema.schema : undefined;
}

function includesUsage(fields: JsonObject): boolean {
  return isObject(fields.stream_options) && fields.stream_options.include_usage === true;
}

function deltaOf(piece: Piece): object {
  switch (piece.kind) {
    case "text":
      return { content: piece.text };
    case "thinking":
      return { content: "", reasoning: piece.text };
    case "tool":
      return { content: "", tool_calls: [toolCall(piece.tool, 0)] };
  }
}

function toolCall(tool: ToolCall, index: number): object {
  return { id: tool.id, index, type: "function", function: { name: tool.name, arguments: goJson(tool.arguments) } };
}

function finishReason(answer: Answer): string {
  return answer.tools.length > 0 ? "tool_calls" : answer.doneReason;
}

function usageOf(answer: Answer): object {
  const { promptTokens: prompt_tokens, evalTokens: completion_tokens } = answer;
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

/** Ollama's ids are numbers below 999 and not unique; so are these. */
function numericId(job: Job): number {
  return Number.parseInt(shortHash(`${job.prompt} ${job.arrivedAt}`), 16) % 999;
}
