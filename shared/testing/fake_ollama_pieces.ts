// What the stand-in says, piece by piece: thinking, a tool call, JSON of a wanted format, or plain tokens.
import { isObject, type JsonObject } from "./fake_ollama_json.ts";
import { tokenAt, toolCallId, valueForSchema } from "./fake_ollama_tokens.ts";

export interface ToolCall {
  id: string;
  name: string;
  arguments: unknown;
}

/** One token's worth of an answer. */
export type Piece = { kind: "text" | "thinking"; text: string } | { kind: "tool"; tool: ToolCall };

/** What decides the words of an answer. */
export interface PieceJob {
  prompt: string;
  seed: number;
  /** Exactly so many tokens, ending with reason "length"; undefined = the stand-in's default, ending with "stop". */
  numPredict: number | undefined;
  thinking: boolean;
  /** "json" or a JSON schema: the answer is JSON text. */
  format?: unknown;
  /** The call to make instead of saying anything. */
  tool?: ToolCall | undefined;
}

// Thinking comes in addition to the tokens, so that the visible text stays what expectedText says.
const thinkingTokens = 2;
const charactersOfJsonToken = 8;

/** The pieces of the answer in order. */
export function* piecesOf(
  job: PieceJob,
  settings: { tokens: number; speak: (prompt: string, seed: number, index: number) => string },
): Generator<Piece> {
  const { prompt, seed } = job;
  if (job.thinking) {
    for (let index = 0; index < thinkingTokens; index += 1) {
      yield { kind: "thinking", text: tokenAt(`thinking about ${prompt}`, seed, index) };
    }
  }
  if (job.tool !== undefined) {
    yield { kind: "tool", tool: job.tool };
    return;
  }
  const tokens = job.numPredict ?? settings.tokens;
  if (job.format !== undefined) {
    const json = JSON.stringify(valueForSchema(job.format, tokenAt(prompt, seed, 0)));
    const limit = job.numPredict === undefined ? json.length : tokens * charactersOfJsonToken;
    for (let at = 0; at < Math.min(json.length, limit); at += charactersOfJsonToken) {
      yield { kind: "text", text: json.slice(at, at + charactersOfJsonToken) };
    }
    return;
  }
  for (let index = 0; index < tokens; index += 1) yield { kind: "text", text: settings.speak(prompt, seed, index) };
}

/**
 * The tool call a request asks for: its last user text contains "use tool NAME" and NAME is among its tools. The
 * arguments are made from the tool's parameter schema.
 */
export function wantedTool(lastUserText: string, tools: { name: string; parameters: unknown }[]): ToolCall | undefined {
  const wanted = /use tool ([\w.-]*\w)/.exec(lastUserText)?.[1];
  const tool = tools.find((candidate) => candidate.name === wanted);
  if (tool === undefined) return undefined;
  const schema: JsonObject = isObject(tool.parameters) ? tool.parameters : {};
  return {
    id: toolCallId(lastUserText),
    name: tool.name,
    arguments: valueForSchema({ type: "object", properties: schema.properties }, "Oslo"),
  };
}
