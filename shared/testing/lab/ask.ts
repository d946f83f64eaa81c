/** One operation of a client: asks the hub in one of five families, reads the answer to its end, and says how it ended. */
import { type Kind, type Operation, type Outcome, promptOf } from "./history.ts";

export interface Wish {
  readonly id: string;
  readonly kind: Kind;
  readonly stream: boolean;
  readonly tokens: number;
  readonly seed: number;
  readonly model: string;
  /** Milliseconds after which the client leaves; null to stay. */
  readonly leaveAfterMs: number | null;
  /** Milliseconds after which it calls it a hang. */
  readonly hangMs: number;
}

const PATHS: Readonly<Record<Kind, string>> = {
  jobs: "/jobs",
  generate: "/api/generate",
  chat: "/api/chat",
  completions: "/v1/chat/completions",
  messages: "/v1/messages",
};

function bodyOf({ id, kind, stream, tokens, seed, model }: Wish): object {
  const prompt = promptOf(id);
  const messages = [{ role: "user", content: prompt }];
  const options = { num_predict: tokens, seed };
  switch (kind) {
    case "jobs":
    case "generate":
      return { model, stream, prompt, options };
    case "chat":
      return { model, stream, messages, options };
    case "completions":
      return { model, stream, messages, max_tokens: tokens, seed };
    case "messages":
      return { model, stream, messages, max_tokens: tokens };
  }
}

/** Asks, and writes everything down in the operation it puts into `book` at once. Resolves when it ended; never rejects. */
export async function ask(hub: string, wish: Wish, book: Operation[]): Promise<Operation> {
  const operation: Operation = {
    id: wish.id,
    kind: wish.kind,
    stream: wish.stream,
    tokens: wish.tokens,
    startedAt: performance.now(),
    firstByteAt: null,
    endedAt: null,
    leftAt: null,
    outcomes: [],
    status: 0,
    text: "",
    why: "",
    attempts: 0,
    node: null,
    retryAfter: null,
  };
  book.push(operation);
  const control = new AbortController();
  const leave = () => {
    operation.leftAt = performance.now();
    control.abort();
  };
  let hung = false;
  const giveUp = () => {
    hung = true;
    control.abort();
  };
  const timers = [setTimeout(giveUp, wish.hangMs)];
  if (wish.leaveAfterMs !== null) timers.push(setTimeout(leave, wish.leaveAfterMs));
  let outcome: Outcome;
  try {
    outcome = await read(hub, wish, operation, control.signal);
  } catch (error) {
    operation.why =
      error instanceof Error ? `${(error as { code?: string }).code ?? error.name}: ${error.message}` : "";
    outcome = operation.status === 0 && neverConnected(error) ? "refused" : "cut";
  }
  for (const timer of timers) clearTimeout(timer);
  if (hung) outcome = "hang";
  // Whoever left in the very moment in which the answer was whole has both; the answer counts.
  else if (operation.leftAt !== null && outcome === "cut") outcome = "aborted";
  if (outcome !== "aborted") operation.leftAt = null;
  operation.endedAt = performance.now();
  operation.outcomes.push(outcome);
  return operation;
}

function neverConnected(error: unknown): boolean {
  return /ECONNREFUSED|ConnectionRefused|FailedToOpenSocket/.test(String((error as { code?: string }).code));
}

async function read(hub: string, wish: Wish, operation: Operation, signal: AbortSignal): Promise<Outcome> {
  const response = await fetch(hub + PATHS[wish.kind], {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(bodyOf(wish)),
    signal,
    // A kept connection that the hub closes as it is used would look like a break of the hub's making.
    keepalive: false,
  });
  operation.status = response.status;
  operation.attempts = Number(response.headers.get("x-attempts") ?? 0);
  operation.node = response.headers.get("x-node-id");
  const retryAfter = response.headers.get("retry-after");
  operation.retryAfter = retryAfter === null ? null : Number(retryAfter);
  if (response.status !== 200 || !wish.stream) {
    const body = await response.text();
    operation.firstByteAt = performance.now();
    return readWhole(operation, body);
  }
  let rest = "";
  let outcome: Outcome = "cut";
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    operation.firstByteAt ??= performance.now();
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) outcome = readLine(operation, line) ?? outcome;
  }
  if (rest !== "") outcome = readLine(operation, rest) ?? outcome;
  if (outcome === "cut") operation.why = "the stream ended without its last frame";
  return outcome;
}

/** The parts of any family's objects that matter here. */
interface Frame {
  readonly response?: string;
  readonly message?: { readonly content?: string };
  readonly done?: boolean;
  readonly detail?: unknown;
  readonly error?: string | { readonly message?: string };
  readonly choices?: readonly {
    delta?: { content?: string };
    message?: { content?: string };
    finish_reason?: string;
  }[];
  readonly type?: string;
  readonly delta?: { readonly text?: string };
  readonly content?: readonly { readonly text?: string }[];
  readonly stop_reason?: string | null;
}

function readWhole(operation: Operation, body: string): Outcome {
  const frame = parse(body);
  if (operation.status !== 200) {
    const said = frame?.error ?? frame?.detail;
    const text = typeof said === "object" && said !== null && "message" in said ? said.message : said;
    operation.why = typeof text === "string" ? text : text === undefined ? "" : JSON.stringify(text);
    return "refused";
  }
  const [choice] = frame?.choices ?? [];
  operation.text =
    frame?.response ?? frame?.message?.content ?? choice?.message?.content ?? frame?.content?.[0]?.text ?? "";
  if (frame?.done === true || choice?.finish_reason !== undefined || frame?.stop_reason != null) return "whole";
  operation.why = `a body that is no whole answer: ${body.slice(0, 100)}`;
  return "cut";
}

/** Takes in one line of a stream; an outcome where it decides one. */
function readLine(operation: Operation, line: string): Outcome | null {
  const bare = line.startsWith("data:") ? line.slice(5).trim() : line.trim();
  if (bare === "[DONE]") return "whole";
  const frame = bare.startsWith("{") ? parse(bare) : null;
  if (frame === null) return null;
  if (frame.error !== undefined) {
    operation.why = typeof frame.error === "string" ? frame.error : (frame.error.message ?? "");
    return "error frame";
  }
  operation.text +=
    frame.response ?? frame.message?.content ?? frame.choices?.[0]?.delta?.content ?? frame.delta?.text ?? "";
  return frame.done === true || frame.type === "message_stop" ? "whole" : null;
}

function parse(text: string): Frame | null {
  try {
    return JSON.parse(text) as Frame;
  } catch {
    return null;
  }
}
