// The Anthropic-shaped route, POST /v1/messages.
import { type Deps, requireModel } from "./fake_ollama_checks.ts";
import type { Job } from "./fake_ollama_engine.ts";
import type { Exchange } from "./fake_ollama_http.ts";
import { goJson, isObject, Refusal } from "./fake_ollama_json.ts";
import { fullName } from "./fake_ollama_models.ts";
import { type Piece, wantedTool } from "./fake_ollama_pieces.ts";
import type { Answer, Voice } from "./fake_ollama_speech.ts";
import { chatPrompt, promptTokens, shortHash } from "./fake_ollama_tokens.ts";
import { baseJob, contentText, decodeV1, requireCompletion } from "./fake_ollama_v1.ts";

/** POST /v1/messages. */
export async function messages(exchange: Exchange, { engine, store }: Deps): Promise<void> {
  const arrivedAt = performance.now();
  const fields = decodeV1(exchange, "anthropic.MessagesRequest", {
    model: "string",
    max_tokens: "int",
    messages: "array",
    system: "any",
    stream: "bool",
    temperature: "float",
    top_p: "float",
    top_k: "int",
    stop_sequences: "strings",
    tools: "array",
    thinking: "object",
  });
  const requested = String(fields.model ?? "");
  if (requested === "") throw new Refusal(400, "model is required", "validation");
  if (Number(fields.max_tokens ?? 0) <= 0) {
    throw new Refusal(400, "max_tokens is required and must be positive", "validation");
  }
  const given = Array.isArray(fields.messages) ? fields.messages.filter(isObject) : [];
  if (given.length === 0) throw new Refusal(400, "messages is required", "validation");
  const model = requireModel(store, requested);
  requireCompletion(model, requested, "chat");
  const tools = (Array.isArray(fields.tools) ? fields.tools : []).filter(isObject).map((tool) => ({
    name: String(tool.name ?? ""),
    parameters: tool.input_schema,
  }));
  if (tools.length > 0 && !model.capabilities.includes("tools")) {
    throw new Refusal(400, `${fullName(model.id)} does not support tools`);
  }
  const said = given.map(({ role, content }) => ({ role: String(role ?? ""), content: contentText(content) }));
  const system = contentText(fields.system);
  const lastUser = said.findLast((message) => message.role === "user")?.content ?? "";
  const prompt = chatPrompt(system === "" ? said : [{ content: system }, ...said]);
  const wantsThinking = isObject(fields.thinking) && fields.thinking.type !== "disabled";
  const job: Job = {
    ...baseJob(fields, model, prompt, arrivedAt),
    // Silently dropped, not refused, on a model that cannot think.
    thinking: model.capabilities.includes("thinking") && wantsThinking,
    tool: wantedTool(lastUser, tools),
  };
  // max_tokens is required here, so it is a limit and not a wish: the default length stands when it is smaller.
  const limit = Number(fields.max_tokens);
  job.numPredict = limit < engine.settings.tokens ? limit : undefined;
  await engine.generate(exchange, job, messagesVoice(requested, job));
}

function event(value: { type: string } & Record<string, unknown>): string {
  return `event: ${value.type}\ndata: ${goJson(value)}\n\n`;
}

function messagesVoice(requested: string, job: Job): Voice {
  const id = `msg_${shortHash(job.prompt)}${shortHash(String(job.arrivedAt))}01234567`;
  const base = { id, type: "message", role: "assistant", model: requested };
  let index = -1;
  let open: Piece["kind"] | undefined;
  const stopBlock = () => (open === undefined ? "" : event({ type: "content_block_stop", index }));
  const startBlock = (piece: Piece) => {
    const before = stopBlock();
    index += 1;
    open = piece.kind;
    return before + event({ type: "content_block_start", index, content_block: emptyBlock(piece) });
  };
  return {
    streamHeaders: { "Cache-Control": "no-cache", Connection: "keep-alive", "Content-Type": "text/event-stream" },
    wholeHeaders: { "Content-Type": "application/json" },
    messageEnd: "\n\n",
    opening: () => {
      const usage = { input_tokens: promptTokens(job.prompt), output_tokens: 0 };
      return event({ type: "message_start", message: { ...base, content: [], usage } });
    },
    piece: (piece) => {
      const start = open === piece.kind && piece.kind !== "tool" ? "" : startBlock(piece);
      return start + event({ type: "content_block_delta", index, delta: deltaOf(piece) });
    },
    lateError: () => "",
    closing: (answer) => {
      const usage = { input_tokens: answer.promptTokens, output_tokens: answer.evalTokens };
      return [
        stopBlock() + event({ type: "message_delta", delta: { stop_reason: stopReason(answer) }, usage }),
        event({ type: "message_stop" }),
      ];
    },
    whole: (answer) => {
      const usage = { input_tokens: answer.promptTokens, output_tokens: answer.evalTokens };
      const content = blocksOf(answer);
      return `${goJson({ ...base, content, stop_reason: stopReason(answer), usage })}\n`;
    },
  };
}

function emptyBlock(piece: Piece): object {
  switch (piece.kind) {
    case "text":
      return { type: "text", text: "" };
    case "thinking":
      return { type: "thinking", thinking: "" };
    case "tool":
      return { type: "tool_use", id: piece.tool.id, name: piece.tool.name, input: {} };
  }
}

function deltaOf(piece: Piece): object {
  switch (piece.kind) {
    case "text":
      return { type: "text_delta", text: piece.text };
    case "thinking":
      return { type: "thinking_delta", thinking: piece.text };
    case "tool":
      return { type: "input_json_delta", partial_json: goJson(piece.tool.arguments) };
  }
}

function blocksOf(answer: Answer): object[] {
  const thinking = answer.thinking === "" ? [] : [{ type: "thinking", thinking: answer.thinking }];
  const text = answer.text === "" ? [] : [{ type: "text", text: answer.text }];
  const tools = answer.tools.map(({ id, name, arguments: input }) => ({ type: "tool_use", id, name, input }));
  return [...thinking, ...text, ...tools];
}

function stopReason(answer: Answer): string {
  if (answer.tools.length > 0) return "tool_use";
  return answer.doneReason === "length" ? "max_tokens" : "end_turn";
}
