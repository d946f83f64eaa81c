// The OpenAI Responses route, POST /v1/responses: stateless, its stream ends with response.completed and no [DONE].
import { type Deps, requireModel } from "./fake_ollama_checks.ts";
import type { Job } from "./fake_ollama_engine.ts";
import type { Exchange } from "./fake_ollama_http.ts";
import { goJson, isObject, type JsonObject, Refusal } from "./fake_ollama_json.ts";
import { type Piece, type ToolCall, wantedTool } from "./fake_ollama_pieces.ts";
import type { Answer, Voice } from "./fake_ollama_speech.ts";
import { chatPrompt, shortHash } from "./fake_ollama_tokens.ts";
import { baseJob, contentText, decodeV1, requireCompletion } from "./fake_ollama_v1.ts";

/** POST /v1/responses. */
export async function responses(exchange: Exchange, { engine, store }: Deps): Promise<void> {
  const arrivedAt = performance.now();
  const fields = decodeV1(exchange, "openai.ResponsesRequest", {
    model: "string",
    input: "any",
    instructions: "string",
    max_output_tokens: "int",
    reasoning: "object",
    temperature: "float",
    top_p: "float",
    text: "object",
    tools: "array",
    stream: "bool",
  });
  const said = inputMessages(fields.input);
  const requested = String(fields.model ?? "");
  if (requested === "") throw new Refusal(400, "model is required");
  const model = requireModel(store, requested);
  requireCompletion(model, requested, "chat");
  const instructions = String(fields.instructions ?? "");
  const effort = isObject(fields.reasoning) ? fields.reasoning.effort : undefined;
  const tools = (Array.isArray(fields.tools) ? fields.tools : []).filter(isObject).map((tool) => ({
    name: String(tool.name ?? ""),
    parameters: tool.parameters,
  }));
  const format = isObject(fields.text) && isObject(fields.text.format) ? fields.text.format : {};
  const job: Job = {
    ...baseJob(fields, model, chatPrompt(instructions === "" ? said : [{ content: instructions }, ...said]), arrivedAt),
    thinking: model.capabilities.includes("thinking") && effort !== "none",
    tool: wantedTool(said.findLast((message) => message.role === "user")?.content ?? "", tools),
    format: format.type === "json_schema" ? format.schema : format.type === "json_object" ? "json" : undefined,
  };
  await engine.generate(exchange, job, responsesVoice(requested, job));
}

function inputMessages(input: unknown): { role: string; content: string }[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  const items = Array.isArray(input) ? input.filter(isObject) : [];
  return items.map(({ role, content, output }) => ({
    role: String(role ?? "tool"),
    content: contentText(content ?? output),
  }));
}

/** One open item of the output: what is being said now. */
interface OpenItem {
  kind: Piece["kind"];
  id: string;
  text: string;
}

function responsesVoice(requested: string, job: Job): Voice {
  const stem = `${shortHash(job.prompt)}${shortHash(String(job.arrivedAt))}`;
  const created_at = Math.floor(Date.now() / 1000);
  const response = (status: string, output: object[], usage: object | null) =>
    ({ id: `resp_${stem}`, object: "response", created_at, status, model: requested, output, usage }) as JsonObject;
  let sequence = 0;
  const event = (type: string, rest: JsonObject) => {
    const value = { ...rest, type, sequence_number: sequence++ };
    // Ollama writes these events from maps, so their keys come sorted.
    const sorted = Object.fromEntries(Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)));
    return `event: ${type}\ndata: ${goJson(sorted)}\n\n`;
  };
  const done: object[] = [];
  let open: OpenItem | undefined;

  const at = () => ({ item_id: open?.id ?? "", output_index: done.length });
  const begin = (kind: Piece["kind"]): string => {
    open = { kind, id: `${kind === "text" ? "msg" : "rs"}_${stem}_${done.length}`, text: "" };
    const item = itemOf(open, "in_progress");
    const added = event("response.output_item.added", { output_index: done.length, item });
    if (kind !== "text") return added;
    const part = { type: "output_text", text: "", annotations: [] };
    return added + event("response.content_part.added", { ...at(), content_index: 0, part });
  };
  const finish = (): string => {
    if (open === undefined) return "";
    const item = itemOf(open, "completed");
    const closing =
      open.kind === "thinking"
        ? event("response.reasoning_summary_text.done", { ...at(), summary_index: 0, text: open.text })
        : event("response.output_text.done", { ...at(), content_index: 0, text: open.text }) +
          event("response.content_part.done", {
            ...at(),
            content_index: 0,
            part: { type: "output_text", text: open.text, annotations: [] },
          });
    const all = closing + event("response.output_item.done", { output_index: done.length, item });
    done.push(item);
    open = undefined;
    return all;
  };
  const callTool = (tool: ToolCall): string => {
    const before = finish();
    const item = callItem(tool, "completed");
    const where = { item_id: `fc_${tool.id}`, output_index: done.length };
    const text = goJson(tool.arguments);
    const events =
      event("response.output_item.added", {
        output_index: done.length,
        item: { ...callItem(tool, "in_progress"), arguments: "" },
      }) +
      event("response.function_call_arguments.delta", { ...where, delta: text }) +
      event("response.function_call_arguments.done", { ...where, arguments: text }) +
      event("response.output_item.done", { output_index: done.length, item });
    done.push(item);
    return before + events;
  };

  return {
    streamHeaders: { "Cache-Control": "no-cache", "Content-Type": "text/event-stream" },
    wholeHeaders: { "Content-Type": "application/json" },
    messageEnd: "\n\n",
    opening: () =>
      event("response.created", { response: response("in_progress", [], null) }) +
      event("response.in_progress", { response: response("in_progress", [], null) }),
    piece: (piece) => {
      if (piece.kind === "tool") return callTool(piece.tool);
      const start = open?.kind === piece.kind ? "" : finish() + begin(piece.kind);
      if (open !== undefined) open.text += piece.text;
      const index = piece.kind === "text" ? { content_index: 0 } : { summary_index: 0 };
      const type = piece.kind === "text" ? "response.output_text.delta" : "response.reasoning_summary_text.delta";
      return start + event(type, { ...at(), ...index, delta: piece.text });
    },
    lateError: () => "",
    closing: (answer) => [
      finish() + event("response.completed", { response: response("completed", done, usageOf(answer)) }),
    ],
    whole: (answer) => {
      const thinking = answer.thinking === "" ? [] : [{ kind: "thinking" as const, text: answer.thinking }];
      const text = answer.text === "" ? [] : [{ kind: "text" as const, text: answer.text }];
      const output = [
        ...[...thinking, ...text].map((item, index) => itemOf({ ...item, id: `msg_${stem}_${index}` }, "completed")),
        ...answer.tools.map((tool) => callItem(tool, "completed")),
      ];
      return `${goJson(response("completed", output, usageOf(answer)))}\n`;
    },
  };
}

function itemOf(item: OpenItem, status: "in_progress" | "completed"): object {
  const { id, text } = item;
  const ready = status === "completed";
  if (item.kind === "thinking") {
    return { id, type: "reasoning", summary: ready ? [{ type: "summary_text", text }] : [] };
  }
  const content = ready ? [{ type: "output_text", text, annotations: [], logprobs: [] }] : [];
  return { id, type: "message", status, role: "assistant", content };
}

function callItem({ id, name, arguments: value }: ToolCall, status: "in_progress" | "completed"): object {
  return { id: `fc_${id}`, type: "function_call", status, call_id: id, name, arguments: goJson(value) };
}

function usageOf(answer: Answer): object {
  const { promptTokens: input_tokens, evalTokens: output_tokens } = answer;
  return { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens };
}
